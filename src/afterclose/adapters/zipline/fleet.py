"""Several models at once. Each has a process of its own already; the executor only starts them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from afterclose.adapters.zipline.runner import OnProgress, run_model
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.runs import ModelResult


def run_task(task: ModelTask) -> ModelResult:
    """Run one task without a listener: what an executor on another machine is given."""
    return _run(task, lambda _: None)


def run_models(
    tasks: Sequence[ModelTask],
    *,
    on_progress: OnProgress,
    workers: int = 2,
    cluster: Executor | None = None,
) -> tuple[ModelResult, ...]:
    """Run tasks side by side, at most ``workers`` at a time; results in the order of the tasks.

    With ``cluster`` (anything with the interface of ``concurrent.futures``; folders must be on a
    file system all its machines share) the tasks go there and progress is not heard. The first
    model that fails raises its error, after all have ended.
    """
    if cluster is not None:
        futures = [cluster.submit(run_task, task) for task in tasks]
        return tuple(future.result() for future in futures)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(_run, task, _named(task, on_progress)) for task in tasks]
    return tuple(future.result() for future in futures)


def _run(task: ModelTask, on_progress: OnProgress) -> ModelResult:
    return run_model(
        task.request,
        on_progress=on_progress,
        resume_from=task.resume_from,
        compare_with=task.compare_with,
        engine=task.engine,
    )


def _named(task: ModelTask, on_progress: OnProgress) -> OnProgress:
    return lambda text: on_progress(f"{task.request.model.name}: {text}")
