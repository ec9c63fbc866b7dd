"""The desk's runner: where a model goes on from, what it is compared with, and where it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from afterclose.adapters.zipline import wire
from afterclose.adapters.zipline.cluster import run_on_cluster
from afterclose.adapters.zipline.runner import run_model
from afterclose.domain.runs import Engine, ModelRequest, ModelResult

OnProgress = Callable[[str], None]


def nothing_acknowledged(model: str, digest: str) -> bool:  # noqa: ARG001 - the default of a seam
    """Say that no person has acknowledged anything."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRunner:
    """Runs each model in a process of its own, from its last evening on where that can be.

    A checkpoint that was made from anything else than tonight's bars, model and libraries is
    refused, and every sixth evening starts from inception by itself. Tonight's history is compared
    with the newest one that stands: an evening whose history had changed, and that nobody
    acknowledged (``acknowledged`` is asked with model and digest), is no measure for tonight.
    """

    resume: bool = True
    engine: Engine = Engine.DESK
    #: Scheduler of a dask.distributed cluster; empty: this machine.
    cluster: str = ""
    acknowledged: Callable[[str, str], bool] = nothing_acknowledged

    def run(self, request: ModelRequest, *, on_progress: OnProgress) -> ModelResult:
        """Run one model to its last session. Raises ModelError with the user's own lines."""
        earlier = next(earlier_runs(request), None) if self.resume else None
        measure = self._measure(request)
        if self.cluster:
            task = wire.ModelTask(
                request=request, resume_from=earlier, compare_with=measure, engine=self.engine
            )
            return run_on_cluster(self.cluster, task, on_progress=on_progress)
        return run_model(
            request,
            on_progress=on_progress,
            resume_from=earlier,
            compare_with=measure,
            engine=self.engine,
        )

    def _measure(self, request: ModelRequest) -> Path | None:
        """The newest earlier run whose history stood, or was acknowledged.

        One that does not read back is returned, too: tonight then says that it cannot compare.
        """
        for folder in earlier_runs(request):
            try:
                drift = wire.read_json(folder / wire.RESULT_FILE).get("drift")
            except (OSError, ValueError):
                return folder
            if drift is None or (not drift["total"] and not drift["unreadable"]):
                return folder
            if self.acknowledged(request.model.name, drift["digest"]):
                return folder
        return None


def earlier_runs(request: ModelRequest) -> Iterator[Path]:
    """Yield the folders of the model's runs of earlier sessions on this desk, newest first."""
    run = request.output.parents[1]
    before = request.last_session.isoformat()
    done = run.parent.glob(f"????-??-??-*/zipline/{request.model.name}/{wire.RESULT_FILE}")
    earlier = [path for path in done if path.parents[2].name[: len(before)] < before]
    for path in sorted(earlier, key=lambda p: _age(p, len(before)), reverse=True):
        yield path.parent


def _age(path: Path, length: int) -> tuple[str, int]:
    return path.parents[2].name[:length], path.stat().st_mtime_ns
