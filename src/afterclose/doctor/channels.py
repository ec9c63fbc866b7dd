"""Notification channels: are their addresses known, and, when asked for, does a word arrive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec

from afterclose.bootstrap import open_notifier
from afterclose.doctor.diagnosis import Diagnosis, good, note
from afterclose.domain.notices import Notice, Told
from afterclose.settings import (
    CHANNEL_VARIABLE,
    ENVIRONMENT_FILE,
    Settings,
    channel_address,
    scheduled_channel,
)

PART = "channels"


def check(settings: Settings, *, knock: bool) -> Iterator[Diagnosis]:
    """Look for each channel's address; ``knock`` sends a word. A silent channel stops nothing."""
    channels = settings.notify.channels
    if not channels:
        yield note(PART, "channels", "none: nobody is told", "docs/notifications.md")
        return
    if find_spec("apprise") is None:
        yield note(
            PART, "apprise", "not installed: nobody is told", "pip install 'afterclose[notify]'"
        )
        return
    for name in channels:
        yield _known(name)
    if knock:
        word = Notice(told=Told.PROBLEM, title="afterclose", text="A word to try this channel.")
        troubles = open_notifier(settings).tell(word)
        for trouble in troubles:
            yield note(PART, "knock", trouble, "look at the address")
        if not troubles:
            yield good(PART, "knock", "a word went out on every channel")


def _known(name: str) -> Diagnosis:
    """Say who knows a channel's address: this shell may, and a scheduled evening not."""
    variable = f"{CHANNEL_VARIABLE}{name.upper()}"
    here, there = channel_address(name) is not None, scheduled_channel(name)
    if _kept(name) or (here and (there or sys.platform == "win32")):
        return good(PART, name, "its address is known")
    if there:
        return good(PART, name, f"its address is in ~/{ENVIRONMENT_FILE}, for scheduled evenings")
    if here:
        return note(
            PART,
            name,
            "its address is in this shell's environment, which a scheduled evening does not have",
            f"write {variable} into ~/{ENVIRONMENT_FILE} (docs/notifications.md)",
        )
    remedy = f"set {variable}, or 'keyring set afterclose {name}'"
    return note(PART, name, "its address is not known", remedy)


def _kept(name: str) -> bool:
    from afterclose.adapters.notify import kept_address  # noqa: PLC0415 - costs time

    return kept_address(name) is not None
