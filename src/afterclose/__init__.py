"""afterclose: from a Zipline futures backtest to Interactive Brokers, every evening, without fear.

Start reading in ``nightly.py``. In a notebook: ``desk = afterclose.open("~/desk")``.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("afterclose")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0+source"

__all__ = ["__version__", "open"]


def __getattr__(name: str) -> Any:
    """Import the notebook's door when it is asked for: it costs a second, most never ask."""
    if name == "open":
        return import_module("afterclose.notebook").open_desk
    raise AttributeError(f"module 'afterclose' has no attribute {name!r}")
