"""Which machine this is, and which file: by what outlives a restart and does not survive a copy."""

from __future__ import annotations

import platform
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_WINDOWS_KEY = r"SOFTWARE\Microsoft\Cryptography"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine, by its id and by the name people know, and the folder of a desk on it."""

    machine: str
    name: str
    folder: str = ""

    @property
    def holder(self) -> str:
        """Who holds a lease from here."""
        return f"{self.machine}:{self.folder}"


def this_place(folder: Path | None = None) -> Place:
    """Return the place of this program."""
    return Place(
        machine=_machine_id(),
        name=(platform.node() or "unnamed")[:80],
        folder="" if folder is None else folder.resolve().as_posix(),
    )


def file_id(path: Path) -> str:
    """Return what the file system calls this file: kept by a move, lost by a copy."""
    return str(path.stat().st_ino)


def _machine_id() -> str:
    """The operating system's own id; else the address of the network card; else the name."""
    for file in _MACHINE_IDS:
        with suppress(OSError, UnicodeDecodeError):
            found = file.read_text(encoding="ascii").strip()
            if found:
                return found[:80]
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - there is none elsewhere

        with (
            suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _WINDOWS_KEY) as key,
        ):
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])[:80]
    node = uuid.getnode()
    made_up = (node >> 40) & 1  # RFC 9562: this bit marks an address that no card has
    return (platform.node() if made_up else f"{node:012x}")[:80]
