"""Writing the report again with what was decided, behind the answers that go to people.

Drawing happens without the desk, whose lock the next click may want; only the writing holds it, and
writes nothing that is no longer true by then.
"""

from __future__ import annotations

import threading
from pathlib import Path

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.errors import AfterCloseError
from afterclose.evening import run_files
from afterclose.web import notes
from afterclose.web.access import DeskAccess
from afterclose.web.evenings import Evenings
from afterclose.web.notes import Act, Note
from afterclose.web.pages import Pages

#: How long the desk is waited for: another command may be at work on it.
_DESK_WITHIN_S = 60.0
#: Whoever decides faster than a report is drawn gets the last one.
_TRIES = 5


class Rewriter:
    """Writes one report after the other on a thread of its own; of one evening the last counts."""

    def __init__(self, access: DeskAccess, evenings: Evenings, pages: Pages) -> None:
        self._access = access
        self._evenings = evenings
        self._pages = pages
        self._lock = threading.Lock()
        self._wanted: dict[Path, RunFolder] = {}
        self._thread: threading.Thread | None = None

    def later(self, folder: RunFolder) -> None:
        """Write the report of this evening again, soon."""
        with self._lock:
            self._wanted[folder.path] = folder
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="report")
                self._thread.start()

    def finish(self) -> None:
        """Wait for what is being written."""
        thread = self._thread
        if thread is not None:
            thread.join(_DESK_WITHIN_S)

    def _work(self) -> None:
        while (folder := self._next()) is not None:
            try:
                self._rewrite(folder)
            except AfterCloseError as error:
                text = f"the decision stands, but its report was not written: {error}"
                note = Note(at=self._access.clock.now(), act=Act.FAILED, text=text, hint=error.hint)
                notes.write(folder, note)

    def _next(self) -> RunFolder | None:
        with self._lock:
            for path in self._wanted:
                return self._wanted.pop(path)
            self._thread = None
            return None

    def _rewrite(self, folder: RunFolder) -> None:
        for _attempt in range(_TRIES):
            stamp = self._evenings.stamp(folder)
            evening = self._evenings.read(folder)
            view = nightly.decided_view(self._access.desk, folder, evening.view)
            made = run_files.report_files(view, self._pages.parts(evening))
            with self._access.act(wait_s=_DESK_WITHIN_S) as desk:
                decided = desk.ledger.approval(view.manifest.run_id)
                if self._evenings.stamp(folder) == stamp and decided == view.approval:
                    run_files.write_report(folder, made)
                    self._evenings.wrote(folder, view)
                    return
