"""A disk that is full or not ours to write, in words: at the terminal, and to who is elsewhere."""

from __future__ import annotations

import errno
from typing import TypeGuard

#: What a disk says when it is full, or not ours to write.
_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}
)
#: What a person does about a disk that cannot be written.
DISK_HINT = (
    "make room, or let this user write there; then run the same command again: what was done is "
    "kept, and nothing is done twice"
)


def of_the_disk(error: BaseException) -> TypeGuard[OSError]:
    """Whether an error is the disk's, and not ours."""
    return isinstance(error, OSError) and error.errno in _DISK


def disk_text(error: OSError) -> str:
    """Say what the machine refused, and where."""
    where = f": {error.filename}" if error.filename else ""
    return f"the disk cannot be used ({error.strerror}){where}"
