"""Requests and results survive the border between two processes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from afterclose.adapters.zipline import wire
from afterclose.domain.runs import (
    AutoClose,
    CurrencyRule,
    ModelOrder,
    ModelPosition,
    ModelRef,
    ModelRequest,
    ModelResult,
    ModelTransaction,
    RollRule,
)


def test_a_request_reads_back_as_it_was_written(tmp_path: Path) -> None:
    request = ModelRequest(
        model=ModelRef(
            name="TF", entry_point="afterclose.models.trend_following", parameters={"risk": 0.1}
        ),
        store=tmp_path / "store",
        first_session=date(2019, 12, 9),
        last_session=date(2020, 3, 9),
        capital_base=1_000_000.0,
        output=tmp_path / "out",
        base_currency="EUR",
        rolls=RollRule.ZIPLINE,
        currency=CurrencyRule.NATIVE,
        roots=("ES", "CL"),
        time_limit_s=60.0,
    )
    path = tmp_path / "request.json"
    wire.write_json(path, wire.request_to_json(request))

    assert wire.request_from_json(wire.read_json(path)) == request


def test_a_result_reads_back_to_the_last_bit(tmp_path: Path) -> None:
    result = ModelResult(
        model="MR",
        first_session=date(2020, 3, 6),
        last_session=date(2020, 3, 9),
        capital_base=1e6,
        transactions=(
            ModelTransaction(
                session=date(2020, 3, 9), symbol="CLJ20", amount=-3, price=0.1 + 0.2, order_id=""
            ),
        ),
        positions=(ModelPosition(symbol="6JH20", amount=2, last_price=0.0067215),),
        open_orders=(
            ModelOrder(
                symbol="6JH20",
                amount=-2,
                filled=-1,
                created=date(2020, 3, 9),
                order_id="20200309-6JH20-1",
                reason="ROLL",
                stop_level=0.0061,
            ),
        ),
        auto_closes=(AutoClose(symbol="6JH20", amount=2, auto_close=date(2020, 3, 10)),),
        portfolio_value=((date(2020, 3, 6), 1e6), (date(2020, 3, 9), 1000000.1)),
        last_closes={"6JH20": (date(2020, 3, 9), 0.0067215)},
        facts={"sessions": 2, "store_fingerprint": "f"},
        files={"returns": tmp_path / "returns.csv"},
    )
    path = tmp_path / "result.json"
    wire.write_json(path, wire.result_to_json(result))

    assert wire.result_from_json(wire.read_json(path), folder=tmp_path) == result
    assert json.loads(path.read_text(encoding="utf-8"))["files"] == {"returns": "returns.csv"}


def test_a_model_file_is_named_by_its_full_path(tmp_path: Path) -> None:
    request = ModelRequest(
        model=ModelRef(name="mine", entry_point="models/mine.py"),
        store=tmp_path,
        first_session=date(2020, 1, 2),
        last_session=date(2020, 1, 3),
        capital_base=1.0,
        output=tmp_path,
    )

    entry_point = wire.request_to_json(request)["model"]["entry_point"]

    assert Path(entry_point).is_absolute()
    assert Path(entry_point).parts[-2:] == ("models", "mine.py")
