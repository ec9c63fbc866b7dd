"""Models on a dask.distributed cluster: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from afterclose.adapters.zipline.cluster import cluster_executor
from afterclose.adapters.zipline.desk_runner import DeskRunner
from afterclose.adapters.zipline.fleet import run_models
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.runs import ModelRef, ModelRequest, ModelResult
from afterclose.errors import ModelError
from integration.zipline.small_market import SmallRoot, small_market, write_store
from ports import port_for_later

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

MODELS = {"TF": "afterclose.models.trend_following", "MR": "afterclose.models.mean_reversion"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    port = port_for_later()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    with ExitStack() as stack:
        for arguments in (scheduler, worker, worker):
            stack.callback(_end, _dask(arguments))
        with distributed.Client(address, timeout=240, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=240)
        yield address


def _dask(arguments: list[str]) -> subprocess.Popen[bytes]:
    kind, *rest = arguments
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", *rest],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=240)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    roots = (SmallRoot(root="ES", price=3000.0, drift=0.001), SmallRoot(root="CL", price=50.0))
    data = small_market(roots, first=date(2018, 1, 2), last=date(2019, 12, 31), volume_noise=0.5)
    return write_store(data, tmp_path_factory.mktemp("market"))


def tasks(store: Path, output: Path) -> list[ModelTask]:
    return [
        ModelTask(
            request=ModelRequest(
                model=ModelRef(name=name, entry_point=entry_point),
                store=store,
                first_session=date(2019, 6, 3),
                last_session=date(2019, 9, 30),
                capital_base=1_000_000.0,
                output=output / name,
            )
        )
        for name, entry_point in MODELS.items()
    ]


def digests(result: ModelResult) -> dict[str, str]:
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(result.files.items())
    }


def test_a_cluster_gives_the_files_of_this_machine_bit_for_bit(
    cluster: str, store: Path, tmp_path: Path
) -> None:
    here = run_models(tasks(store, tmp_path / "here"), on_progress=lambda _: None)

    with cluster_executor(cluster) as executor:
        there = run_models(
            tasks(store, tmp_path / "there"), on_progress=lambda _: None, cluster=executor
        )

    assert [run.model for run in there] == ["TF", "MR"]
    assert [digests(run) for run in there] == [digests(run) for run in here]
    assert all(len(run.transactions) >= 2 for run in here)


def test_a_desks_runner_runs_on_its_cluster_and_says_so(
    cluster: str, store: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    task = tasks(store, tmp_path / "2019-09-30-aaaa" / "zipline")[0]

    result = DeskRunner(cluster=cluster).run(task.request, on_progress=said.append)

    assert said == [f"on the cluster at {cluster}"]
    assert result.last_session == date(2019, 9, 30)


def test_the_authors_error_comes_back_from_a_cluster_with_his_own_line(
    cluster: str, store: Path, tmp_path: Path
) -> None:
    model = tmp_path / "wrong.py"
    model.write_text("def initialize(context):\n    context.missing\n", encoding="utf-8")
    task = tasks(store, tmp_path / "2019-09-30-aaaa" / "zipline")[0]
    request = ModelRequest(
        model=ModelRef(name="BAD", entry_point=str(model)),
        store=store,
        first_session=task.request.first_session,
        last_session=task.request.last_session,
        capital_base=1e6,
        output=task.request.output,
    )

    with pytest.raises(ModelError, match="line 2"):
        DeskRunner(cluster=cluster).run(request, on_progress=lambda _: None)


def test_a_cluster_that_does_not_answer_is_said(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterclose.adapters.zipline.cluster.CONNECT_S", 1.0)
    task = tasks(store, tmp_path / "2019-09-30-aaaa" / "zipline")[0]

    with pytest.raises(ModelError, match="does not answer"):
        DeskRunner(cluster="tcp://127.0.0.1:9").run(task.request, on_progress=lambda _: None)
