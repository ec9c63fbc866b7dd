"""The journal of one run: its folder, its manifest, its log.

A stage is entered in the manifest when it ends, well or badly; the log has one JSON line per event
with the run id and the stage it came from.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict

from afterclose.adapters.notify import scrubbed
from afterclose.artifacts import RunFolder
from afterclose.domain.findings import Finding, Scalar
from afterclose.domain.runs import BARRED, SENT, RunManifest, RunState, StageRecord
from afterclose.errors import AfterCloseError, DataError, NotPossible
from afterclose.ports import Clock

MANIFEST = "00-manifest.json"
LOG = "run.log.jsonl"
#: In the desk's folder: whoever holds it is the one command at work.
DESK_LOCK = ".afterclose.lock"


@dataclass(slots=True)
class Stage:
    """What a running stage may say about itself."""

    name: str
    log: Any
    artefacts: list[str]
    findings: int = 0

    def wrote(self, *paths: Path) -> None:
        """Name the files this stage left."""
        self.artefacts.extend(p.name for p in paths)

    def says(self, text: str) -> None:
        """Log what is said to whoever watches."""
        self.log.info("said", message=text)

    def found(self, findings: Sequence[Finding]) -> None:
        """Count findings, and log each."""
        self.findings += len(findings)
        for finding in findings:
            self.log.info(
                "finding",
                code=finding.code,
                severity=finding.severity.name,
                subject=finding.subject,
                message=finding.message,
            )


class RunJournal:
    """Keeps the manifest true while the evening goes on."""

    def __init__(self, folder: RunFolder, manifest: RunManifest, clock: Clock) -> None:
        self.folder = folder
        self.manifest = manifest
        self._clock = clock

    @classmethod
    def start(cls, folder: RunFolder, manifest: RunManifest, clock: Clock) -> RunJournal:
        """Begin, or begin again: the folder's manifest is written anew."""
        folder.path.mkdir(parents=True, exist_ok=True)
        (folder.path / LOG).unlink(missing_ok=True)
        journal = cls(folder, manifest, clock)
        journal.save()
        return journal

    @classmethod
    def resume(cls, folder: RunFolder, clock: Clock, *, to: RunState | None = None) -> RunJournal:
        """Go on with a run that was prepared before.

        ``to`` is where the act would lead. Raises NotPossible when that cannot be from here.
        """
        manifest = folder.read_json(MANIFEST, RunManifest)
        barred = BARRED.get(to, {}).get(manifest.state) if to else None
        if barred:
            raise NotPossible(
                f"the evening {manifest.run_id} is {manifest.state.words}", hint=barred
            )
        return cls(folder, manifest, clock)

    def save(self) -> None:
        """Write the manifest."""
        self.folder.write_json(MANIFEST, self.manifest)

    def enter(self, state: RunState, **notes: Scalar) -> None:
        """Move the run to a state, with notes for whoever reads the manifest.

        A decision on what is left does not unsay that orders have left.
        """
        if self.manifest.state in SENT and state not in SENT:
            state = self.manifest.state
        merged: Mapping[str, Scalar] = {**self.manifest.notes, **notes}
        self.manifest = replace(self.manifest, state=state, notes=merged)
        self.save()

    def prepared(self, state: RunState, **notes: Scalar) -> None:
        """Move the run to the state that a new report gives it, whatever stood before."""
        self.manifest = replace(self.manifest, state=state, notes=notes)
        self.save()

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Run one stage; its record is kept whether it ends well or not."""
        started = self._clock.now()
        with (self.folder.path / LOG).open("a", encoding="utf-8", newline="\n") as file:
            stage = Stage(name, self._logger(file, name), [])
            stage.log.info("started")
            error = ""
            try:
                yield stage
            except BaseException as raised:
                error = _said(raised)
                stage.log.exception("failed", error=error)
                raise
            finally:
                record = StageRecord(
                    name=name,
                    status="failed" if error else "done",
                    started=started,
                    finished=self._clock.now(),
                    artefacts=tuple(stage.artefacts),
                    findings=stage.findings,
                    error=error,
                )
                others = tuple(s for s in self.manifest.stages if s.name != name)
                self.manifest = replace(self.manifest, stages=(*others, record))
                self.save()
                if not error:
                    stage.log.info("done", findings=stage.findings)

    def _logger(self, file: Any, stage: str) -> Any:
        def stamped(_logger: object, _method: str, event: EventDict) -> EventDict:
            event["at"] = self._clock.now().astimezone(UTC).isoformat()
            return event

        def without_accounts(_logger: object, _method: str, event: EventDict) -> EventDict:
            """A log is sent along with questions: as in messages, no account and no key."""
            account = (self.manifest.account,)
            return {k: scrubbed(v, account) if isinstance(v, str) else v for k, v in event.items()}

        return structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                stamped,
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                without_accounts,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
            run_id=self.manifest.run_id,
            stage=stage,
        )


def _said(error: BaseException) -> str:
    if isinstance(error, AfterCloseError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, (KeyboardInterrupt, CancelledError)):
        return "stopped by the person at the terminal"
    return repr(error)


#: States that an evening gets with a decision: from then on the ledger knows of it.
_DECIDED = frozenset({RunState.APPROVED, RunState.REJECTED, RunState.SUBMITTED, RunState.SETTLED})


def last_decided(runs: Path) -> str | None:
    """Return the id of the newest evening that was decided on; None when there is none."""
    for path in sorted(runs.glob(f"????-??-??-*/{MANIFEST}"), reverse=True):
        try:
            manifest = RunFolder(path.parent).read_json(MANIFEST, RunManifest)
        except DataError:  # a folder of another version, or half a folder
            continue
        if manifest.state in _DECIDED:
            return manifest.run_id
    return None
