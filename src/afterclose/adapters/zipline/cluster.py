"""Models on other machines: a ``dask.distributed`` cluster behind the interface of an executor.

Every machine of the cluster must see the same folders under the same names (store, runs, the user's
models) and have the same libraries: a run checks the second by itself, since a checkpoint of other
versions is refused and another history is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from afterclose.adapters.zipline.fleet import run_task
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.runs import ModelResult
from afterclose.errors import AfterCloseError, ModelError

CONNECT_S = 20.0


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """Yield an executor on the cluster whose scheduler listens at ``address``. Raises ModelError.

    Needs the extra ``cluster``.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra, and costs seconds
    except ImportError as error:
        raise ModelError(
            "engine.cluster is set, and dask.distributed is not installed",
            hint="pip install 'afterclose[cluster]', or leave engine.cluster empty",
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]  # distributed is untyped
            address, timeout=CONNECT_S, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise ModelError(
            f"the cluster at {address} does not answer: {error}",
            hint="start its scheduler, correct engine.cluster, or leave it empty",
        ) from error
    with client:
        yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]  # likewise


def run_on_cluster(
    address: str, task: ModelTask, *, on_progress: Callable[[str], None]
) -> ModelResult:
    """Run one task on a cluster; its progress is in its log only.

    Raises ModelError when the cluster cannot be reached or gives the task up, and whatever the
    model's own run raises.
    """
    on_progress(f"on the cluster at {address}")
    with cluster_executor(address) as executor:
        try:
            return executor.submit(run_task, task).result()
        except AfterCloseError:
            raise
        except Exception as error:  # the border to machines that are not this one
            raise ModelError(
                f"the cluster at {address} gave up model {task.request.model.name}: {error!r}",
                hint="look at its workers; an empty engine.cluster runs the model here",
            ) from error
