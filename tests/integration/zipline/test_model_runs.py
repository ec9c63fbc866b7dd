"""Models run on a small market, in processes of their own, and leave what an evening needs."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from afterclose.adapters.zipline.desk_runner import DeskRunner
from afterclose.adapters.zipline.fleet import run_models
from afterclose.adapters.zipline.runner import read_result, run_model
from afterclose.adapters.zipline.wire import ModelTask
from afterclose.domain.history import HistoryDrift
from afterclose.domain.runs import (
    CurrencyRule,
    Engine,
    ModelRef,
    ModelRequest,
    ModelResult,
    RollRule,
)
from afterclose.errors import DataError, ModelError
from integration.zipline.small_market import SmallRoot, small_market, write_store

pytestmark = pytest.mark.slow

ROOTS = (
    SmallRoot(root="ES", price=3000.0, drift=0.001),
    SmallRoot(root="CL", price=50.0, drift=0.0005, missing_share=0.05),
    SmallRoot(root="FGBL", price=150.0, drift=0.0008, currency="EUR"),
    SmallRoot(root="ZC", price=400.0, drift=-0.0004),
    # So thin that 20 % of a day's volume does not fill an order of the size the risk allows.
    SmallRoot(root="OJ", price=30.0, drift=0.0015, point_value=5.0, volume=900.0),
)
MODELS = {"TF": "afterclose.models.trend_following", "MR": "afterclose.models.mean_reversion"}


def silent(text: str) -> None:
    """A listener that does not care."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = small_market(
        ROOTS, first=date(2018, 1, 2), last=date(2020, 6, 30), volume_noise=0.5, rates={"EUR": 1.1}
    )
    return write_store(data, tmp_path_factory.mktemp("market"))


def request_for(
    store: Path, output: Path, entry_point: str = MODELS["TF"], name: str = "TF"
) -> ModelRequest:
    return ModelRequest(
        model=ModelRef(name=name, entry_point=entry_point),
        store=store,
        first_session=date(2019, 6, 3),
        last_session=date(2020, 3, 9),
        capital_base=1_000_000.0,
        output=output,
    )


@pytest.fixture(scope="module", params=sorted(MODELS))
def run(
    request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelResult:
    name = request.param
    output = tmp_path_factory.mktemp(name)
    return run_model(request_for(store, output, MODELS[name], name), on_progress=silent)


def amounts(rows: Sequence[object]) -> dict[str, int]:
    held: dict[str, int] = {}
    for row in rows:
        symbol, amount = row.symbol, row.amount  # type: ignore[attr-defined]  # fills, positions
        held[symbol] = held.get(symbol, 0) + amount
    return {symbol: amount for symbol, amount in held.items() if amount}


def test_a_run_trades_and_its_fills_add_up_to_its_positions(run: ModelResult) -> None:
    assert len(run.transactions) >= 6
    assert amounts(run.transactions) == amounts(run.positions)


def test_no_position_is_ever_short(run: ModelResult) -> None:
    held: dict[str, int] = {}
    for fill in run.transactions:
        held[fill.symbol] = held.get(fill.symbol, 0) + fill.amount

        assert held[fill.symbol] >= 0


def test_every_session_has_a_value_that_starts_at_the_capital(run: ModelResult) -> None:
    assert run.portfolio_value[0] == (date(2019, 6, 3), 1_000_000.0)
    assert run.portfolio_value[-1][0] == date(2020, 3, 9)
    assert len(run.portfolio_value) == run.facts["sessions"] == 199


def test_every_order_left_open_says_why_and_was_decided_on_the_last_evening_or_before(
    run: ModelResult,
) -> None:
    for order in run.open_orders:
        assert order.reason in {"ENTRY", "EXIT", "STOP", "ROLL"}
        assert order.created <= run.last_session
        assert order.symbol in run.last_closes
        assert order.remaining != 0


def test_fills_carry_the_reason_of_their_orders(run: ModelResult) -> None:
    fills = pd.read_parquet(run.files["fills.parquet"])

    assert len(fills) == len(run.transactions)
    assert set(fills.reason[fills.order_id != ""]) <= {"ENTRY", "EXIT", "STOP", "ROLL"}
    assert "ENTRY" in set(fills.reason)


def test_a_roll_buys_as_many_contracts_as_it_sells(run: ModelResult) -> None:
    fills = pd.read_parquet(run.files["fills.parquet"])
    rolls = fills[fills.reason == "ROLL"]
    placed = rolls.groupby("order_id").amount.sum()
    bought, sold = placed[placed > 0].sum(), placed[placed < 0].sum()

    assert bought > 0
    # What could not be sold before the auto-close was closed by Zipline, without an order.
    assert bought + sold >= 0


def test_the_files_have_the_names_that_tools_look_for(run: ModelResult) -> None:
    names = {path.name for path in run.files.values()}

    for table in ("transactions", "positions", "returns", "open_orders"):
        assert f"{table}_2019-06-03_to_2020-03-09_{run.model}.csv" in names
    assert all(path.exists() for path in run.files.values())


def test_a_repeated_run_leaves_the_same_bytes(
    run: ModelResult, store: Path, tmp_path: Path
) -> None:
    entry_point = str(run.facts["entry_point"])
    again = run_model(request_for(store, tmp_path, entry_point, run.model), on_progress=silent)

    assert digests(again) == digests(run)
    assert replace(again, files={}, facts={}) == replace(run, files={}, facts={})


def digests(result: ModelResult) -> dict[str, str]:
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in result.files.items()
    }


def test_a_result_can_be_read_again_from_its_folder(run: ModelResult) -> None:
    folder = run.files["returns"].parent

    assert read_result(folder) == run


def test_native_currency_takes_every_point_value_as_dollars(store: Path, tmp_path: Path) -> None:
    request = replace(request_for(store, tmp_path), roots=("FGBL",), currency=CurrencyRule.NATIVE)

    native = run_model(request, on_progress=silent)
    account = run_model(
        replace(request, currency=CurrencyRule.ACCOUNT, output=tmp_path / "account"),
        on_progress=silent,
    )

    assert native.transactions
    assert native.net_asset_value != account.net_asset_value


def test_a_position_whose_last_chance_is_tonight_is_named(store: Path, tmp_path: Path) -> None:
    model = tmp_path / "keeper.py"
    model.write_text(KEEPER, encoding="utf-8")
    # ESH20 closes by itself on 2020-03-12: an order placed that evening would never fill.
    evening = replace(
        request_for(store, tmp_path / "out", str(model), "KEEP"),
        first_session=date(2020, 3, 2),
        last_session=date(2020, 3, 11),
    )

    result = run_model(evening, on_progress=silent)
    before = run_model(
        replace(evening, last_session=date(2020, 3, 10), output=tmp_path / "before"),
        on_progress=silent,
    )
    after = run_model(
        replace(evening, last_session=date(2020, 3, 12), output=tmp_path / "after"),
        on_progress=silent,
    )

    assert [(close.symbol, close.amount) for close in result.auto_closes] == [("ESH20", 7)]
    assert result.auto_closes[0].auto_close - result.last_session == timedelta(days=1)
    assert before.auto_closes == ()
    assert after.positions == ()
    assert (after.transactions[-1].amount, after.transactions[-1].order_id) == (-7, "")


KEEPER = """
from zipline.api import continuous_future, order

def initialize(context):
    context.es = continuous_future("ES", offset=0, roll="calendar")
    context.done = False

def handle_data(context, data):
    if not context.done:
        context.done = True
        order(data.current(context.es, "contract"), 7)
"""


def test_an_error_in_a_model_comes_back_with_its_own_line(store: Path, tmp_path: Path) -> None:
    model = tmp_path / "broken.py"
    model.write_text(
        "def initialize(context):\n    pass\n\ndef handle_data(context, data):\n    1 / 0\n",
        encoding="utf-8",
    )

    with pytest.raises(ModelError) as caught:
        run_model(request_for(store, tmp_path / "out", str(model)), on_progress=silent)

    assert "ZeroDivisionError" in str(caught.value)
    assert f'"{model}", line 5, in handle_data' in str(caught.value)
    assert "zipline" not in str(caught.value).split("ZeroDivisionError", maxsplit=1)[1]


CALL = """
import socket
line = socket.create_connection(("127.0.0.1", {port}))
line.sendall(b"{name}")
"""
ENDLESS = """
import subprocess, sys
{call}
ALONE = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"

def initialize(context):
    subprocess.Popen([sys.executable, "-c", {child!r}])
    # It belongs to nobody once the process between has ended, and holds the model's output open.
    subprocess.run([sys.executable, "-c", ALONE, {alone!r}])
    while True:
        pass
"""
PARENT = """
import sys
from datetime import date
from pathlib import Path
from afterclose.adapters.zipline.runner import run_model
from integration.zipline.test_model_runs import request_for, silent

store, output, model = sys.argv[1:]
run_model(request_for(Path(store), Path(output), model), on_progress=silent)
"""
#: Only ever waited out where a process goes on that should have ended.
_PATIENCE_S = 60.0


@pytest.fixture
def calls() -> Iterator[socket.socket]:
    """Where processes of a test call; a call ends when its process does, and tells so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PATIENCE_S)
        yield server


def endless_model(folder: Path, calls: socket.socket) -> Path:
    """Write a model that never ends, has a child, and one that cut itself off; all three call."""
    port, model = calls.getsockname()[1], folder / "endless.py"
    child, alone = (
        CALL.format(port=port, name=name) + "line.recv(1)" for name in ("child", "alone")
    )
    text = ENDLESS.format(call=CALL.format(port=port, name="model"), child=child, alone=alone)
    model.write_text(text, encoding="utf-8")
    return model


def three(calls: socket.socket) -> dict[bytes, socket.socket]:
    found: dict[bytes, socket.socket] = {}
    for _ in range(3):
        call, _ = calls.accept()
        call.settimeout(_PATIENCE_S)
        found[call.recv(5)] = call
    return found


def ended(call: socket.socket) -> bool:
    with call:
        try:
            return call.recv(1) == b""
        except ConnectionResetError:
            return True


def test_a_model_that_does_not_end_is_stopped_with_the_processes_it_started(
    store: Path, tmp_path: Path, calls: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = endless_model(tmp_path, calls)
    request = replace(request_for(store, tmp_path / "out", str(model)), time_limit_s=600.0)
    limits: list[float] = []
    called: dict[bytes, socket.socket] = {}

    class Timer(threading.Timer):
        """Its time is over when all three are at work, however long they took to begin."""

        def run(self) -> None:
            limits.append(self.interval)
            try:
                called.update(three(calls))
            finally:
                self.function()

    monkeypatch.setattr(threading, "Timer", Timer)
    with pytest.raises(ModelError, match="did not finish in 600 s"):
        run_model(request, on_progress=silent)

    assert limits == [600.0]
    called[b"alone"].close()  # it ends by that: it is not ours to end, and was not waited for
    assert ended(called[b"model"])
    assert ended(called[b"child"])
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_model_and_what_it_started_end_when_the_program_that_ran_it_is_killed(
    store: Path, tmp_path: Path, calls: socket.socket
) -> None:
    model, output = endless_model(tmp_path, calls), tmp_path / "out"
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, store, output, model],
        env={**os.environ, "PYTHONPATH": paths},
    ) as parent:
        called = three(calls)  # all at work by now
        parent.kill()

    called[b"alone"].close()
    assert ended(called[b"model"])
    assert ended(called[b"child"])
    assert not (output / "result.json").exists()
    assert not (output / "error.json").exists()


def test_ctrl_c_in_the_model_s_process_is_the_person_s_and_no_error_of_the_model(
    store: Path, tmp_path: Path
) -> None:
    model = tmp_path / "stopped.py"
    model.write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True:\n    pass\n",
        encoding="utf-8",
    )

    with pytest.raises(KeyboardInterrupt):
        run_model(request_for(store, tmp_path / "out", str(model)), on_progress=silent)


def test_what_a_model_prints_is_in_its_log_and_not_in_the_progress(
    store: Path, tmp_path: Path
) -> None:
    model = tmp_path / "talker.py"
    model.write_text(
        "import os\n"
        "def initialize(context):\n"
        "    print('hello from the model')\n"
        "    try:\n"
        "        input('is anybody there?')\n"
        "    except EOFError:\n"
        "        print('nobody is')\n"
        "    os.write(1, b'\\xff\\xfe hello\\n[1]\\n')  # past Python, and no text\n",
        encoding="utf-8",
    )
    request = replace(
        request_for(store, tmp_path / "out", str(model)), first_session=date(2020, 3, 6)
    )
    heard: list[str] = []

    result = run_model(request, on_progress=heard.append)

    log = (tmp_path / "out" / "model.log").read_text(encoding="utf-8")
    assert "hello from the model" in log
    assert "nobody is" in log
    assert not any("hello" in text for text in heard)
    assert heard[-2:] == ["session 2 of 2, 2020-03-09", "writing the results"]
    assert result.open_orders == ()


def test_a_store_that_ends_before_the_evening_is_refused(store: Path, tmp_path: Path) -> None:
    request = replace(request_for(store, tmp_path), last_session=date(2020, 7, 1))

    with pytest.raises(DataError, match="ends on 2020-06-30"):
        run_model(request, on_progress=silent)


def test_the_evening_after_goes_on_where_the_last_one_ended(store: Path, tmp_path: Path) -> None:
    first = request_for(store, tmp_path / "2020-03-09-aaaa" / "zipline" / "TF")
    second = replace(
        first,
        last_session=date(2020, 3, 10),
        output=tmp_path / "2020-03-10-bbbb" / "zipline" / "TF",
    )
    full = replace(second, output=tmp_path / "full")
    runner = DeskRunner()
    runner.run(first, on_progress=silent)

    resumed = runner.run(second, on_progress=silent)
    expected = run_model(full, on_progress=silent)

    assert resumed.facts["started"] == "going on from 2020-03-09"
    assert resumed.drift == HistoryDrift(model="TF", since=date(2020, 3, 9))
    assert digests(resumed) == digests(expected)


def test_models_run_side_by_side_and_plain_zipline_can_be_one_of_them(
    store: Path, tmp_path: Path
) -> None:
    request = replace(
        request_for(store, tmp_path / "desk"),
        first_session=date(2020, 1, 2),
        rolls=RollRule.ZIPLINE,
        currency=CurrencyRule.NATIVE,
    )
    tasks = [
        ModelTask(request=request),
        ModelTask(request=replace(request, output=tmp_path / "stock"), engine=Engine.STOCK),
    ]
    heard: list[str] = []

    desk, stock = run_models(tasks, on_progress=heard.append)

    assert desk.portfolio_value == stock.portfolio_value
    assert [(fill.session, fill.symbol, fill.amount) for fill in desk.transactions] == [
        (fill.session, fill.symbol, fill.amount) for fill in stock.transactions
    ]
    assert (desk.facts["engine"], stock.facts["engine"]) == ("desk", "stock")
    assert any(text.startswith("TF: session") for text in heard)
