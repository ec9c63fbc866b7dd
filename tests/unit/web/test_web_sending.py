"""Sending and following behind the page: it can be ended at whatever point it is."""

from __future__ import annotations

import threading
from pathlib import Path

from filelock import FileLock

from afterclose.clock import ManualClock
from afterclose.evening.journal import DESK_LOCK
from afterclose.web import notes
from afterclose.web.access import DeskAccess
from afterclose.web.sending import Sender
from unit.report.make_rows import NOW
from unit.web.web_site import open_desk, write_evening

PATIENCE_S = 60.0


def test_one_who_still_waits_for_the_desk_is_stopped_and_asks_nobody(tmp_path: Path) -> None:
    folder, clock = write_evening(tmp_path), ManualClock(NOW)
    access = DeskAccess(tmp_path, clock, lambda: open_desk(tmp_path, clock))
    sender = Sender(access)
    with FileLock(tmp_path / DESK_LOCK):  # another command is at work
        sender.follow(folder)
        job = sender._job
        assert job is not None
        stopping = threading.Thread(target=sender.stop)
        stopping.start()
        assert job.stopped.wait(PATIENCE_S)
    stopping.join(PATIENCE_S)
    access.close()

    assert not sender.followed(folder.path.name)
    assert [note.text for note in notes.read(folder)] == ["listening was stopped"]
