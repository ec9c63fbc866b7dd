"""The page's own journal: what it keeps, and what a power cut leaves of it."""

from __future__ import annotations

from pathlib import Path

from afterclose.artifacts import RunFolder
from afterclose.web.notes import (
    NOTES,
    Act,
    Note,
    cancels_asked,
    done_before,
    excluded,
    last_trouble,
    read,
    write,
)
from make import NOW


def note(act: Act, ref: str = "", **more: str) -> Note:
    return Note(at=NOW, act=act, order_ref=ref, digest=more.pop("digest", "d"), **more)


def test_notes_read_back_as_they_were_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    written = (note(Act.EXCLUDE, "a", text="wide “spread”"), note(Act.APPROVE, once="k"))
    write(folder, written[0])
    write(folder, written[1])

    assert read(folder) == written


def test_half_a_line_is_no_note(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write(folder, note(Act.EXCLUDE, "a"))
    with (tmp_path / NOTES).open("ab") as file:
        file.write(b'{"at":"2026-11-20T22:')

    assert [n.order_ref for n in read(folder)] == ["a"]


def test_an_evening_nobody_touched_has_no_notes(tmp_path: Path) -> None:
    assert read(RunFolder(tmp_path)) == ()


def test_the_last_word_on_an_order_counts() -> None:
    notes = [
        note(Act.EXCLUDE, "a", text="first"),
        note(Act.EXCLUDE, "b"),
        note(Act.INCLUDE, "b"),
        note(Act.EXCLUDE, "a", text="second"),
        note(Act.EXCLUDE, "c", digest="another evening"),
    ]
    assert {ref: n.text for ref, n in excluded(notes, "d").items()} == {"a": "second"}


def test_a_form_is_known_by_its_name_and_no_name_is_none() -> None:
    notes = [note(Act.APPROVE, once="k"), note(Act.SEND)]

    assert done_before(notes, "k") is notes[0]
    assert done_before(notes, "other") is None
    assert done_before(notes, "") is None


def test_trouble_stands_until_somebody_does_something() -> None:
    failed = note(Act.FAILED, text="nobody listens at 127.0.0.1:7497")

    assert last_trouble([note(Act.SEND), failed]) is failed
    assert last_trouble([note(Act.SEND), failed, note(Act.FOLLOW)]) is None
    assert last_trouble([note(Act.SEND), failed, note(Act.CANCEL, "a")]) is failed


def test_whose_cancellation_was_asked_is_known() -> None:
    assert set(cancels_asked([note(Act.CANCEL, "a"), note(Act.SEND)])) == {"a"}
