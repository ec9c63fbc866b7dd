"""The run folder: what is written reads back equal, or is said to be broken."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose.artifacts import (
    RunFolder,
    csv_text,
    digest_of,
    findings_csv,
    latest_run,
    to_json,
    to_json_line,
    write_atomically,
)
from afterclose.domain.audit import (
    AuditReport,
    OrderOutcome,
    PositionCheck,
    Reconciliation,
    Sizing,
)
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding, Scalar, Severity
from afterclose.domain.market import FxRate, FxRates
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderState, TradeKind
from afterclose.domain.runs import (
    CurrencyRule,
    Mode,
    RollRule,
    RunManifest,
    RunState,
    StageRecord,
    TradesFrom,
)
from afterclose.errors import DataError
from afterclose.report.evening import Capital, DataState, EveningView, Mark, ModelSummary
from make import (
    ACCOUNT,
    EUR,
    NOW,
    SESSION,
    USD,
    make_account,
    make_bars,
    make_broker_order,
    make_contract,
    make_exit,
    make_fill,
    make_finding,
    make_order,
    make_position,
    make_quote,
    make_report,
    make_row,
    make_trade,
)

D = Decimal
#: One of each scalar that evidence may hold.
EVIDENCE: dict[str, Scalar] = {
    "text": "1.5",
    "whole": 7,
    "float": 1.0,
    "small": 1e-9,
    "yes": True,
    "no": False,
    "nothing": None,
    "unicode": "×σ–",
}

SIZING = Sizing(
    window=20,
    width=D(3),
    mean=D("6000.125"),
    deviation=D("10.0000000000000000000000001"),
    capital=D("1E+6"),
    contracts_to_trade=2,
    risk_ok=True,
    caps=("max_contracts 2",),
)

REPORT = make_report(
    make_row(
        make_order("6EZ26", 3, limit_price=D("1.15340"), stop_level=D("0.00000050")),
        bars=make_bars(["1.1", "-2.50", 0]),
        forming=make_bars([1])[0],
        quote=make_quote("1.15345", bid=D("1.1"), ask=None),
        pct_diff=D("-0.0000433501"),
        alert_deviation=False,
        drift=D(0),
        sizing=SIZING,
        position_mismatch=True,
        position_before=-4,
        findings=(make_finding(evidence=EVIDENCE),),
    ),
    make_row(
        make_exit("ESZ26", kind=TradeKind.ROLL_CLOSE),
        qualified=None,
        close=None,
        quote=None,
        position_before=None,
        findings=(make_finding(Severity.BLOCK),),
    ),
    findings=(make_finding(Severity.INFO),),
)

APPROVAL = Approval(
    run_id="2026-11-19-0badcafe",
    digest="d" * 64,
    account=ACCOUNT,
    order_refs=("a", "b"),
    reviewer="Zoë",
    at=NOW,
    expires_at=NOW + timedelta(hours=11.5),
    note="seen",
    overrides=(("a", "seen"),),
)

LIFE = OrderLife(
    order=make_order(),
    state=OrderState.PARTLY_FILLED,
    perm_id=2**31 + 5,
    fills=(make_fill(quantity=1, commission=D("2.05"), commission_currency=USD), make_fill()),
    text="",
    code=None,
)

RESULT = Reconciliation(
    run_id="r",
    session=SESSION,
    as_of=datetime(2026, 11, 20, 23, 59, 59, 123456, tzinfo=UTC),
    outcomes=(
        OrderOutcome(
            order=make_order(),
            state="filled",
            filled=2,
            average_price=D("6000.1250"),
            commission=None,
            commission_currency="",
            slippage_ticks=D("-0.5"),
        ),
    ),
    positions=(
        PositionCheck(symbol="ESZ26", con_id=5, desk=2, broker=None),
        PositionCheck(symbol="NQZ26", con_id=6, desk=0, broker=-1),
    ),
    findings=(make_finding(evidence=EVIDENCE),),
)

MANIFEST = RunManifest(
    run_id="r",
    session=SESSION,
    mode=Mode.PAPER,
    account=ACCOUNT,
    state=RunState.PREPARED,
    code_version="0.1.0",
    inputs_digest="i",
    trades_from=TradesFrom.ORDERS,
    stages=(StageRecord(name="update", status="done", started=NOW, finished=NOW),),
    notes=EVIDENCE,
)

VIEW = EveningView(
    manifest=MANIFEST,
    models=(
        ModelSummary(
            name="TF",
            first_session=date(2026, 8, 3),
            last_session=SESSION,
            net_asset_value=D("1010000.10"),
            capital_base=D(1_000_000),
            capital_allocated=None,
            base_currency=USD,
            transactions=3,
            positions=1,
            orders_open=2,
            rolls=RollRule.CAUSAL,
            currency=CurrencyRule.ACCOUNT,
            facts=EVIDENCE,
        ),
    ),
    trades=(make_trade(price=None), make_trade("ESH27", roll_partner=make_contract("ESZ26"))),
    audit=REPORT,
    account=make_account(
        make_position(),
        cash={USD: D("-1.10"), EUR: D(0)},
        exchange_rates={EUR: D("1.16")},
        working_orders=(make_broker_order(),),
        unknown=("margin",),
    ),
    fx=FxRates(
        base=USD,
        rates={EUR: FxRate(currency=EUR, rate=D("1.16"), as_of=SESSION, source="EUR.USD")},
        missing={Currency("KRW"): "162"},
    ),
    capital=Capital(rule="usd_cash", amount=None, currency=USD),
    data=DataState(source="store", last_session=SESSION, fingerprint="f", roots=40),
    written_at=NOW,
    marks={600123: Mark(sector="Energy", price=D("59.14"), point_value=None)},
    approval=APPROVAL,
    reconciliation=RESULT,
)

VALUES = pytest.mark.parametrize(
    "value", [REPORT, APPROVAL, LIFE, RESULT, MANIFEST, VIEW], ids=lambda v: type(v).__name__
)


@VALUES
def test_a_value_comes_back_equal_with_an_equal_digest(value: Any, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json("value.json", value)
    back = folder.read_json("value.json", type(value))

    assert back == value
    assert digest_of(back) == digest_of(value)
    assert to_json(back) == to_json(value)


def test_evidence_keeps_its_types() -> None:
    folder_bytes = to_json(make_finding(evidence=EVIDENCE))
    back = json.loads(folder_bytes)["evidence"]

    assert {k: type(v) for k, v in back.items()} == {k: type(v) for k, v in EVIDENCE.items()}


def test_evidence_read_back_keeps_its_types(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json("finding.json", make_finding(evidence=EVIDENCE))
    back = folder.read_json("finding.json", Finding).evidence

    assert {k: (type(v), v) for k, v in back.items()} == {
        k: (type(v), v) for k, v in EVIDENCE.items()
    }


def test_decimals_are_text_and_keep_their_digits() -> None:
    content = json.loads(to_json(make_order(limit_price=D("1.1530"))))

    assert content["limit_price"] == "1.1530"
    assert digest_of(D("1.50")) != digest_of(D("1.5"))


def test_moments_read_back_are_aware_whatever_zone_they_were_written_in(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    kolkata = timezone(timedelta(hours=5, minutes=30))
    folder.write_json("approval.json", replace(APPROVAL, at=NOW.astimezone(kolkata)))

    assert folder.read_json("approval.json", Approval).at == NOW


def test_digests_depend_on_every_value_and_on_their_order() -> None:
    assert digest_of("a", "b") != digest_of("b", "a")
    assert digest_of("ab") != digest_of("a", "b")
    assert digest_of(REPORT) == digest_of(replace(REPORT))


def test_a_line_of_json_is_one_line() -> None:
    line = to_json_line(replace(LIFE, text="two\nlines"))

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": "r"}', b"\xff\xfe"], ids=str)
def test_a_broken_artefact_is_said_with_what_to_do(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_bytes(content)

    with pytest.raises(DataError, match=r"audit\.json") as raised:
        RunFolder(tmp_path).read_json("audit.json", AuditReport)
    assert raised.value.hint


def test_a_missing_artefact_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        RunFolder(tmp_path).read_json("audit.json", AuditReport)
    assert not RunFolder(tmp_path).has("audit.json")


def test_writing_replaces_whole_files_and_leaves_nothing_beside_them(tmp_path: Path) -> None:
    target = tmp_path / "new" / "basket.csv"
    write_atomically(target, b"first")
    write_atomically(target, b"second")

    assert target.read_bytes() == b"second"
    assert [p.name for p in target.parent.iterdir()] == ["basket.csv"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "basket.csv"
    write_atomically(target, b"first")

    with pytest.raises(TypeError):
        write_atomically(target, "no bytes")  # type: ignore[arg-type] # the point of the test
    assert target.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["basket.csv"]


def test_tables_have_their_columns_and_empty_cells() -> None:
    text = csv_text(("a", "b"), [{"a": 'say "x", y', "b": None}, {"a": 0, "c": 1}])

    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ['say "x", y', ""], ["0", ""]]
    assert "\r" not in text


def test_findings_are_a_table() -> None:
    text = findings_csv([make_finding(evidence={"held": 2, "wanted": -5}, hint="look")])
    (row,) = csv.DictReader(io.StringIO(text))

    assert row["code"] == "AC104"
    assert row["severity"] == "WARN"
    assert row["evidence"] == "held=2; wanted=-5"


def test_the_newest_evening_is_the_latest_session_then_the_last_written(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert latest_run(runs) is None
    for age, name in enumerate(["2026-11-19-bbbb", "2026-11-19-aaaa", "2026-11-18-cccc", "notes"]):
        path = RunFolder(runs / name).write("00-manifest.json", "{}")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    newest = latest_run(runs)

    assert newest is not None
    assert newest.path.name == "2026-11-19-bbbb"
