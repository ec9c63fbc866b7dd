"""Write a file that other programs read, and read back what they will find."""

from __future__ import annotations

from pathlib import Path

from afterclose.artifacts import READABLE_BY_ALL, write_atomically
from afterclose.errors import UsageError


def write_whole(path: Path, data: bytes) -> bytes:
    """Replace ``path`` with ``data`` in one step and return what the file then reads back as.

    Readable by all, since TWS may run as somebody else. Raises UsageError when the file cannot be
    written, for instance because a program on Windows holds it open.
    """
    try:
        write_atomically(path, data, mode=READABLE_BY_ALL)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="close the file in other programs and check the folder's permissions",
        ) from error
