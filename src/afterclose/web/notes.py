"""What was done on the page, by whom and when: one line per act, in the run folder.

The file is only ever added to. What it says of choices survives a reload and reaches a second tab;
what it says of requests makes a form count once, however often it is sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from afterclose.artifacts import RunFolder, to_json_line

NOTES = "54-review.jsonl"


class Act(StrEnum):
    """What a person did, or what came of it."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    APPROVE = "approve"
    REJECT = "reject"
    SEND = "send"
    FOLLOW = "follow"
    CANCEL = "cancel"
    #: Something the gateway said about the line itself.
    LINE = "line"
    #: Following ended: every order final, or the line gone.
    ENDED = "ended"
    #: An act in the background ended with an error.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One act. ``digest`` is of what was shown, ``once`` names the form that was sent."""

    at: datetime
    act: Act
    by: str = ""
    digest: str = ""
    order_ref: str = ""
    text: str = ""
    hint: str = ""
    once: str = ""


_NOTE = TypeAdapter(Note)


def write(folder: RunFolder, *notes: Note) -> None:
    """Add notes; they are on disk when the call returns."""
    with (folder.path / NOTES).open("ab") as file:
        file.write(b"".join(to_json_line(note) for note in notes))
        file.flush()
        os.fsync(file.fileno())


def read(folder: RunFolder) -> tuple[Note, ...]:
    """Return every note, oldest first; the torn last line of a power cut is none."""
    try:
        raw = (folder.path / NOTES).read_bytes()
    except FileNotFoundError:
        return ()
    return tuple(_readable(raw.splitlines()))


def _readable(lines: Iterable[bytes]) -> Iterable[Note]:
    for line in lines:
        try:
            yield _NOTE.validate_json(line)
        except ValidationError:
            continue


def excluded(notes: Iterable[Note], digest: str) -> Mapping[str, Note]:
    """Return the orders left out by a person, of exactly what is shown: reference → last word."""
    chosen: dict[str, Note] = {}
    for note in notes:
        if note.digest != digest:
            continue
        if note.act is Act.EXCLUDE:
            chosen[note.order_ref] = note
        elif note.act is Act.INCLUDE:
            chosen.pop(note.order_ref, None)
    return chosen


def done_before(notes: Iterable[Note], once: str) -> Note | None:
    """Return what came of a form that was sent before; None for a new one."""
    return next((note for note in notes if once and note.once == once), None)


def last_trouble(notes: Iterable[Note]) -> Note | None:
    """Return what went wrong since somebody last did something; None when nothing did."""
    trouble: Note | None = None
    for note in notes:
        if note.act in {Act.FAILED, Act.LINE}:
            trouble = note
        elif note.act in {Act.SEND, Act.FOLLOW, Act.APPROVE, Act.REJECT}:
            trouble = None
    return trouble


def cancels_asked(notes: Iterable[Note]) -> Mapping[str, Note]:
    """Return the orders whose cancellation was asked for: reference → who and when."""
    return {note.order_ref: note for note in notes if note.act is Act.CANCEL}
