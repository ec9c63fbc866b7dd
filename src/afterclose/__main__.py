"""``python -m afterclose``."""

from afterclose.cli.app import main

main()
