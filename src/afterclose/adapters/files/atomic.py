"""Write a file so that it is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from afterclose.errors import UsageError


def write_whole(path: Path, data: bytes) -> bytes:
    """Replace ``path`` with ``data`` in one step and return what the file then reads back as.

    The bytes are on the disk before the name points to them. Raises UsageError when the file
    cannot be written, for instance because a program on Windows holds it open.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        _fill_and_rename(handle, Path(name), path, data)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="close the file in other programs and check the folder's permissions",
        ) from error


def _fill_and_rename(handle: int, temporary: Path, path: Path, data: bytes) -> None:
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner alone; TWS may run as somebody else.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
