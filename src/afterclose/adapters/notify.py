"""A word to the person through apprise, which knows a hundred kinds of channel.

Every channel's address holds a secret; it comes from the environment or from the system's keyring
and is never shown. A channel that fails, or hangs, stops nothing: what went wrong is said.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afterclose.domain.notices import Notice

#: The service under which the system's keyring keeps channels.
KEYRING = "afterclose"
_ACCOUNT = re.compile(r"\b(?:D[UF]|[UF])[A-Z]*\d{3,}\b")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*s?://\S+", re.IGNORECASE)
#: In an address (``?api_key=…``), a database's words (``password=…``), JSON, a header.
_TOKEN = re.compile(
    r"""((?:token|key|secret|passw(?:or)?d)(?:=|["']\s*:\s*)["']?|\bbearer\s+)[^\s&"']+""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseNotifier:
    """Channels by name, each with its address; None for one whose address nobody knows.

    ``hidden`` are texts that must not leave: account numbers. ``attach`` sends the report along.
    """

    channels: Mapping[str, str | None]
    hidden: tuple[str, ...] = ()
    attach: bool = False
    page: str = ""
    timeout_s: float = 20.0

    def tell(self, notice: Notice) -> tuple[str, ...]:
        """Tell every channel at once; return what went wrong. Never raises."""
        waiting = {
            name: _started(name, lambda a=address: self._send(a, notice))
            for name, address in self.channels.items()
            if address is not None
        }
        missing = [
            f"the channel {name} has no address: set AFTERCLOSE_CHANNEL_{name.upper()}, or keep it "
            f"in the keyring ('keyring set {KEYRING} {name}')"
            for name, address in self.channels.items()
            if address is None
        ]
        return (*missing, *(t for n, q in waiting.items() if (t := self._outcome(n, q))))

    def _outcome(self, name: str, answers: queue.SimpleQueue[str]) -> str:
        try:
            said = answers.get(timeout=self.timeout_s)
        except queue.Empty:
            said = f"no answer within {self.timeout_s:g} s"
        return f"the channel {name} was not told: {said}" if said else ""

    def _send(self, address: str, notice: Notice) -> str:
        import apprise  # noqa: PLC0415 - an extra, and costs time

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it writes addresses into its log
        channel = apprise.Apprise()
        if not channel.add(address):
            return "its address is none that apprise understands"
        text = scrubbed(notice.text, self.hidden)
        if self.page:
            text += f"\n{self.page}"
        sent = channel.notify(
            title=scrubbed(notice.title, self.hidden), body=text, attach=self._attached(notice)
        )
        return "" if sent else "it did not take the message"

    def _attached(self, notice: Notice) -> str | None:
        report: Path | None = notice.report
        return str(report) if self.attach and report is not None and report.is_file() else None


def scrubbed(text: str, hidden: Iterable[str] = ()) -> str:
    """Take account numbers, addresses with keys and tokens out of a text."""
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(secret, "the account")
    text = _ACCOUNT.sub("the account", text)
    text = _TOKEN.sub(r"\1…", text)
    return _ADDRESS.sub(lambda m: m[0] if "@" not in m[0] else "an address", text)


def _started(name: str, action: Any) -> queue.SimpleQueue[str]:
    """Do it in a thread of its own: one that hangs is left behind, and dies with the process."""
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(action())
        except ImportError:
            answers.put("apprise is not installed: pip install 'afterclose[notify]'")
        except Exception as error:  # noqa: BLE001 - a border: whatever a plug-in raises stops nothing
            answers.put(f"{type(error).__name__} in apprise")  # its text may hold the address

    threading.Thread(target=work, name=f"tell {name}", daemon=True).start()
    return answers


def kept_address(name: str) -> str | None:
    """Return the address of a channel from the system's keyring; None where it is not kept."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and costs time
        from keyring.errors import KeyringError  # noqa: PLC0415 - likewise
    except ImportError:
        return None
    try:
        found = keyring.get_password(KEYRING, name)
    except (KeyringError, RuntimeError, OSError):  # no keyring on this machine, or it is locked
        return None
    return str(found) if found else None
