"""A basket file against the paper gateway, and against a kept snapshot: what goes, and what not."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afterclose import tws_sim
from afterclose.adapters.files.basket_csv import BasketForm, basket_text
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ibkr import open_margin_preview
from afterclose.adapters.recorded import RecordedReader
from afterclose.artifacts import RunFolder
from afterclose.by_file.audit import (
    FileAudit,
    FileAuditRequest,
    Gateway,
    accounts_of,
    audit_file,
)
from afterclose.clock import ManualClock
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.errors import UsageError
from afterclose.evening import run_files
from afterclose.settings import load
from e2e.conftest import afterclose
from integration.audit.evenings import (
    SESSION,
    Start,
    by_root,
    codes,
    four_orders,
    mapped,
    order,
)
from integration.ibkr.gateways import GatewayTime, reader_of
from integration.ibkr.hurry import hurried
from unit.ibkr.ibkr_values import ACCOUNT

pytestmark = pytest.mark.anyio
HEADER = (
    "Action,Quantity,Symbol,SecType,LastTradingDayOrContractMonth,Exchange,Currency,"
    "TimeInForce,OrderType,LmtPrice,Account,OrderRef,Multiplier\n"
)


def written(folder: Path, orders: tuple[BasketOrder, ...], *rows: str) -> Path:
    """A basket file of these orders, as our own writer has it, and further rows."""
    path = folder / "basket.csv"
    text = basket_text(orders, form=BasketForm.TWS)
    path.write_text(text + (HEADER + "\n".join(rows) + "\n" if rows else ""), encoding="utf-8")
    return path


def request_of(path: Path, out: Path, **audit: Any) -> FileAuditRequest:
    settings = load(
        out,
        {
            "desk": {"account": ACCOUNT},
            "broker": {"restart": "never"},
            "audit": {"capital": "net_liquidation", **audit},
        },
    )
    return FileAuditRequest(
        basket=path, out=out, session=SESSION, settings=settings, specs=packaged_specs()
    )


async def audited(
    gateway: tws_sim.RunningGateway, path: Path, out: Path, **audit: Any
) -> FileAudit:
    clock = GatewayTime(gateway)
    address: dict[str, Any] = {"host": gateway.host, "port": gateway.port, "client_id": 9}
    return await audit_file(
        request_of(path, out, **audit),
        Gateway(
            open_reader=lambda: reader_of(gateway),
            open_margin_preview=lambda: open_margin_preview(
                **address, account=ACCOUNT, clock=clock
            ),
        ),
        clock,
    )


async def test_rows_become_what_the_account_makes_of_them(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    path = written(tmp_path, four_orders(everything))
    made = await audited(start(), path, tmp_path / "out")
    rows = by_root(made.report)

    assert made.complete
    assert {r: row.order.kind for r, row in rows.items()} == {
        "ES": TradeKind.ENTRY,
        "HG": TradeKind.ENTRY,
        "FESX": TradeKind.ENTRY,
        "CL": TradeKind.EXIT,
    }
    assert rows["ES"].sizing is not None
    assert rows["CL"].sizing is None
    assert made.report.margin is not None
    assert made.report.margin.unknown == ()
    names = {p.name for p in made.files}
    assert names >= {
        "40-audit-sell.csv",
        "40-audit-buy.csv",
        "50-review.html",
        "TWS_Basket_BUY_20251201.csv",
        "TWS_Basket_SELL_20251201.csv",
    }
    with (tmp_path / "out" / "40-audit-sell.csv").open(encoding="utf-8", newline="") as file:
        assert [row["Symbol"] for row in csv.DictReader(file)] == ["CL"]
    page = (tmp_path / "out" / "50-review.html").read_text(encoding="utf-8")
    assert "An audit of the file basket.csv" in page


async def test_a_roll_is_found_and_its_open_leg_follows_its_close_leg(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    legs = (
        order(everything, mapped("CL", "202602"), -2, kind=TradeKind.ROLL_CLOSE),
        order(everything, mapped("CL", "202603"), 2, kind=TradeKind.ROLL_OPEN),
    )
    made = await audited(start(), written(tmp_path, legs), tmp_path / "out")

    assert [r.order.kind for r in made.report.rows] == [TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN]
    assert all(r.sizing is None for r in made.report.rows)
    assert made.report.rows[0].order.roll_pair == made.report.rows[1].order.order_ref


async def test_what_is_more_than_the_position_is_a_reversal_and_says_so(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    turn = order(everything, mapped("CL", "202602"), -5, kind=TradeKind.REVERSAL)
    made = await audited(start(), written(tmp_path, (turn,)), tmp_path / "out")
    (row,) = made.report.rows

    assert (row.order.kind, row.order.held_before) == (TradeKind.REVERSAL, 2)
    assert row.sizing is not None


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("BUY,1,NOSUCH,FUT,202512,CME,USD,DAY,LMT,10,DU1234567,a,", "AC202"),
        ("BUY,1,ES,FUT,202512,CME,USD,DAY,LMT,6000,DU1234567,a,5", "AC202"),
        ("BUY,1,ES,FUT,202513,CME,USD,DAY,LMT,6000,DU1234567,a,50", "AC205"),
        ("BUY,1,ES,FUT,20251399,CME,USD,DAY,LMT,6000,DU1234567,a,50", "AC205"),
        ("BUY,1,ES,FUT,202412,CME,USD,DAY,LMT,6000,DU1234567,a,50", "AC208"),
    ],
)
async def test_a_row_that_is_no_contract_of_ours_is_excluded_by_name(
    start: Start, everything: tws_sim.Market, tmp_path: Path, row: str, code: str
) -> None:
    path = written(tmp_path, four_orders(everything)[:1], row)
    made = await audited(start(), path, tmp_path / "out")

    assert not made.complete
    assert [f.code for e in made.excluded for f in e.findings] == [code]
    assert len(made.report.rows) == 1
    left_out = (tmp_path / "out" / "30-excluded.csv").read_text(encoding="utf-8")
    assert code in left_out
    assert "line 4" in left_out


async def test_a_last_trading_day_names_its_month_and_is_compared(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    good = "BUY,1,ES,FUT,20251219,CME,USD,DAY,LMT,6000,DU1234567,good,50"
    bad = "BUY,1,ES,FUT,20251218,CME,USD,DAY,LMT,6000,DU1234567,bad,50"
    made = await audited(start(), written(tmp_path, (), good, bad), tmp_path / "out")
    rows = {r.order.order_ref: codes([r]) for r in made.report.rows}

    assert "AC206" not in rows["good"]
    assert "AC206" in rows["bad"]


async def test_an_order_for_another_account_is_blocked(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    mine, other = four_orders(everything)[:2]
    path = written(tmp_path, (mine, replace(other, account="DU7654321")))
    made = await audited(start(), path, tmp_path / "out")

    assert accounts_of(path) == ("DU1234567", "DU7654321")
    assert [o.contract.root for o in made.report.cleared_orders()] == ["ES"]
    assert "AC509" in codes([by_root(made.report)["HG"]])


async def test_a_row_without_an_account_is_for_the_one_that_is_audited(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    path = written(tmp_path, (), "BUY,1,ES,FUT,202512,CME,USD,DAY,LMT,6000,,a,50")
    made = await audited(start(), path, tmp_path / "out")

    assert [r.order.account for r in made.report.rows] == [ACCOUNT]
    assert "AC509" not in codes(made.report.rows)


async def test_one_reference_for_the_whole_basket_is_made_into_one_per_order(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    row = "BUY,1,{},FUT,202603,{},USD,DAY,LMT,{},DU1234567,TF_BUY_20251201,{}"
    path = written(
        tmp_path,
        (),
        row.format("HG", "COMEX", 5, 25000),
        row.format("ES", "CME", 6000, 50),
    )
    made = await audited(start(), path, tmp_path / "out")

    refs = [r.order.order_ref for r in made.report.rows]
    assert refs == ["TF_BUY_20251201_line3", "TF_BUY_20251201_line4"]
    assert "AC508" not in codes(made.report.rows)


async def test_an_order_at_the_market_is_compared_by_the_last_close(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    path = tmp_path / "market.csv"
    path.write_text(
        HEADER.replace("LmtPrice,", "")
        + "SELL,2,CL,FUT,202602,NYMEX,USD,DAY,MKT,DU1234567,out,1000\n",
        encoding="utf-8",
    )
    made = await audited(start(), path, tmp_path / "out")
    (row,) = made.report.rows
    assert row.close is not None
    assert (row.order.order_type, row.order.limit_price) == ("MKT", row.close.close)

    without = await audited(start('[data]\nno_data = ["CL"]'), path, tmp_path / "again")
    assert [f.code for e in without.excluded for f in e.findings] == ["AC106"]


async def test_unknown_positions_block_what_sells(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    gateway = start('[connection]\nmissing_end = ["positions"]')
    clock = GatewayTime(gateway)

    @asynccontextmanager
    async def impatient() -> AsyncIterator[Any]:
        async with reader_of(gateway) as reader, hurried(gateway):
            yield reader

    made = await audit_file(
        request_of(written(tmp_path, four_orders(everything)), tmp_path, what_ifs=False),
        Gateway(open_reader=impatient, open_margin_preview=impatient),
        clock,
    )
    assert "AC304" in codes([by_root(made.report)["CL"]])
    assert by_root(made.report)["CL"].final_order() is None


async def test_a_kept_evening_answers_offline_and_says_the_same(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    path = written(tmp_path, four_orders(everything))
    live = await audited(start(), path, tmp_path / "out")
    kept = run_files.read_snapshot(RunFolder(tmp_path / "out"))

    @asynccontextmanager
    async def replay() -> AsyncIterator[RecordedReader]:
        yield RecordedReader(kept)

    again = await audit_file(
        replace(request_of(path, tmp_path / "again"), replayed=True),
        Gateway(open_reader=replay, open_margin_preview=replay),
        ManualClock(kept.as_of),
    )
    assert again.report == live.report


def test_the_command_audits_writes_and_replays(
    start: Start, everything: tws_sim.Market, tmp_path: Path
) -> None:
    gateway, path = start(), written(tmp_path, four_orders(everything))
    out, again = tmp_path / "out", tmp_path / "again"
    flags = ["--basket", str(path), "--session", SESSION.isoformat()]
    address = ["--host", gateway.host, "--port", str(gateway.port), "--client-id", "40"]

    live = afterclose("audit", *flags, "--out", str(out), *address, home=tmp_path)
    replayed = afterclose(
        "audit", "--basket", str(path), "--out", str(again),
        "--snapshot", str(out / "35-snapshot.json"), home=tmp_path,
    )  # fmt: skip

    assert live.returncode == 0, live.stdout + live.stderr
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    for name in ("40-audit-buy.csv", "40-audit-sell.csv", "TWS_Basket_BUY_20251201.csv"):
        assert (out / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("accounts", [("", ""), ("DU1234567", "DU7654321")])
def test_the_command_asks_which_account(
    tmp_path: Path, everything: tws_sim.Market, accounts: tuple[str, str]
) -> None:
    row = "BUY,1,ES,FUT,202512,CME,USD,DAY,LMT,6000,{},{},50"
    path = written(tmp_path, (), *(row.format(a, i) for i, a in enumerate(accounts)))
    done = afterclose("audit", "--basket", str(path), "--out", str(tmp_path), home=tmp_path)

    assert done.returncode == 2
    assert "--account" in done.stderr


async def test_a_file_that_is_no_basket_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        accounts_of(tmp_path / "none.csv")
