"""Reading evenings: the run folder and the ledger, and nothing that only this process knows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from afterclose.artifacts import RunFolder
from afterclose.domain.netting import Netting, with_rows
from afterclose.domain.order_life import lives
from afterclose.domain.orders import BasketOrder
from afterclose.domain.runs import RunManifest
from afterclose.evening import run_files
from afterclose.evening.journal import MANIFEST
from afterclose.evening.orders import netted
from afterclose.report.evening import EveningView
from afterclose.stages.review import shown_digest
from afterclose.web import notes
from afterclose.web.access import DeskAccess
from afterclose.web.sending import Sender
from afterclose.web.standing import Records, Standing, standing

_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """One evening as it is on disk and in the ledger at one moment."""

    folder: RunFolder
    view: EveningView
    standing: Standing

    @property
    def run_id(self) -> str:
        """Its name."""
        return self.folder.path.name

    @property
    def digest(self) -> str:
        """Digest of what is shown, worked out from what is on disk."""
        return self.standing.records.digest


@dataclass(frozen=True, slots=True)
class _Parsed:
    stamp: tuple[int, int]
    view: EveningView
    digest: str


class Evenings:
    """The evenings of one desk. Parsed reports are kept while their files stay as they are."""

    def __init__(self, access: DeskAccess, sender: Sender) -> None:
        self._access = access
        self._sender = sender
        self._parsed: dict[str, _Parsed] = {}
        self._lock = threading.Lock()

    def folders(self) -> tuple[RunFolder, ...]:
        """Every run folder with a manifest, the newest evening first."""
        manifests = self._access.settings.runs.glob(f"????-??-??-*/{MANIFEST}")
        newest = sorted(manifests, key=_by_evening, reverse=True)
        return tuple(RunFolder(m.parent) for m in newest)

    def folder(self, run_id: str) -> RunFolder | None:
        """Return the folder of one run; None for a name that is none of them."""
        return next((f for f in self.folders() if f.path.name == run_id), None)

    def manifest(self, folder: RunFolder) -> RunManifest:
        """Read how far a run came."""
        return folder.read_json(MANIFEST, RunManifest)

    def read(self, folder: RunFolder) -> Evening:
        """Read one evening. Raises DataError when it was not prepared to its report."""
        parsed = self._report(folder)
        manifest = self.manifest(folder)
        ledger, session = self._access.ledger, manifest.session
        events = ledger.events(session)
        approval, netting = ledger.approval(manifest.run_id), ledger.netting(session)
        records = Records(
            manifest=manifest,
            audit=parsed.view.audit,
            digest=parsed.digest,
            approval=approval,
            lives=with_rows(lives(ledger.orders(session), events), netting),
            netting=netting,
            notes=notes.read(folder),
            account=self._access.settings.desk.account,
            now=self._access.clock.now(),
            followed=self._sender.followed(manifest.run_id),
            connected=self._sender.connected(manifest.run_id),
            halted=ledger.halted(),
            heard=len(events),
            last_heard=events[-1].at if events else None,
        )
        view = replace(parsed.view, manifest=manifest, approval=approval, digest=parsed.digest)
        return Evening(folder=folder, view=view, standing=standing(records))

    def stamp(self, folder: RunFolder) -> tuple[int, int]:
        """Return what differs whenever the report's view was written again."""
        return _stamp(folder.path / run_files.VIEW)

    def wrote(self, folder: RunFolder, view: EveningView) -> None:
        """Remember what was just written of an evening whose audit stayed what it was."""
        name, stamp = folder.path.name, self.stamp(folder)
        with self._lock:
            known = self._parsed.get(name)
            if known is not None and known.view.audit is view.audit:
                self._parsed[name] = _Parsed(stamp, view, known.digest)

    def netted(self, evening: Evening, orders: Sequence[BasketOrder]) -> Netting:
        """Return what goes to the market of these rows."""
        return netted(self._access.desk, orders, evening.view.manifest.session)

    def _report(self, folder: RunFolder) -> _Parsed:
        """Parse the report's view, unless the file is the one that was parsed last."""
        name = folder.path.name
        stamp = self.stamp(folder)
        with self._lock:
            known = self._parsed.get(name)
            if known is not None and known.stamp == stamp:
                return known
            view = run_files.read_view(folder)
            parsed = _Parsed(stamp, view, shown_digest(view.audit))
            self._parsed[name] = parsed
            while len(self._parsed) > _KEPT:
                self._parsed.pop(next(iter(self._parsed)))
        return parsed


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _by_evening(manifest: Path) -> tuple[str, int]:
    return manifest.parent.name[:10], manifest.stat().st_mtime_ns
