"""Thirty orders against a spreadsheet, to the last shown digit.

``audit_numbers.xlsx`` holds made-up closes, contract facts from the exchanges' pages and the
write-up's formulas; ``audit_numbers.csv`` what a spreadsheet engine made of it, rounded as shown.
Twenty purchases, six short sales (upper band), four exits; nine currencies.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import (
    ContractMonth,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
)
from afterclose.domain.market import FxRate, FxRates, Qualification, QualificationState
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.report.columns import BUY_COLUMNS
from afterclose.report.words import shown
from afterclose.stages.audit import AuditInputs, AuditRules, SizedRow, audit
from afterclose.stages.sizing import Money, SizingRules, size_all
from make import (
    ACCOUNT,
    SESSION,
    TOMORROW,
    USD,
    bars_answer,
    con_id_of,
    make_account,
    make_bars,
    make_quote,
    make_snapshot,
)

FOLDER = Path(__file__).parents[2] / "golden" / "evening"
D = Decimal
COMPARED = (
    "LmtPrice", "Close", "PctDiff", "BB_Lower_20_3", "StopDist", "RiskPerContract",
    "RiskPerContract_AdjustedUSD", "FX_Conversion", "ContractsToTrade", "RiskPerTrade",
    "PositionMismatch", "RiskOK",
)  # fmt: skip
NOT_SIZED = "n/a"


def typed() -> list[Mapping[str, Any]]:
    """The rows of the sheet Inputs; numbers as they were typed."""
    book = openpyxl.load_workbook(FOLDER / "audit_numbers.xlsx", read_only=True)
    header, *rows = book["Inputs"].iter_rows(values_only=True)
    book.close()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def calculated() -> dict[str, Mapping[str, str]]:
    with (FOLDER / "audit_numbers.csv").open(encoding="utf-8", newline="") as file:
        return {row["Root"]: row for row in csv.DictReader(file)}


def exact(number: float) -> Decimal:
    return D(repr(number)) if isinstance(number, float) else D(number)


def order_of(row: Mapping[str, Any]) -> BasketOrder:
    contract = FuturesContract(RootSymbol(row["Root"]), ContractMonth.from_yyyymm(row["Month"]))
    kind, action = TradeKind(row["Kind"]), Action(row["Action"])
    return BasketOrder(
        order_ref=f"desk-20261119-TF-{contract.symbol}-{'C' if kind.closes else 'O'}1",
        model="TF",
        mapped=MappedContract(contract=contract, spec=packaged_specs()[contract.root]),
        action=action,
        quantity=row["Quantity"],
        kind=kind,
        limit_price=exact(row["Limit"]),
        account=ACCOUNT,
        session=SESSION,
        trade_id=f"TF/{contract.symbol}",
        model_quantity=row["Quantity"],
        held_before=0,
        reference_price=exact(row["Limit"]),
    )


def at_the_gateway(row: Mapping[str, Any], order: BasketOrder) -> Qualification:
    """The contract by the workbook's own facts."""
    spec = order.mapped.spec
    return Qualification(
        state=QualificationState.FOUND,
        qualified=QualifiedContract(
            contract=order.contract,
            con_id=con_id_of(order.contract),
            local_symbol=order.contract.symbol,
            symbol=spec.ib_symbol,
            exchange=spec.ib_exchange,
            currency=Currency(row["Currency"]),
            trading_class=spec.trading_class,
            multiplier=str(row["Multiplier"]),
            price_magnifier=row["Magnifier"],
            tick_size=exact(row["Tick"]),
            contract_month=order.contract.month,
            last_trade_date=SESSION + timedelta(days=60),
            time_zone="America/Chicago",
            trading_hours="",
            liquid_hours="",
        ),
    )


@cache
def audited() -> Mapping[str, AuditRow]:
    rows = typed()
    orders = [order_of(row) for row in rows]
    pairs = list(zip(rows, orders, strict=True))
    bars = {
        o.contract: bars_answer(
            make_bars([exact(row[f"C{day}"]) for day in range(1, 21)], volume=row["Volume"])
        )
        for row, o in pairs
    }
    rates = {
        Currency(row["Currency"]): FxRate(
            currency=Currency(row["Currency"]),
            rate=exact(row["FX"]),
            as_of=SESSION,
            source="typed",
        )
        for row, _ in pairs
    }
    live = make_snapshot(
        "ESZ26",
        qualifications={o.contract: at_the_gateway(row, o) for row, o in pairs},
        bars=bars,
        quotes={o.contract: make_quote(None) for o in orders},
        fx=FxRates(base=USD, rates=rates),
        account=make_account(),
    )
    sized = size_all(
        orders,
        live,
        Money(capital=exact(rows[0]["Capital"])),
        SizingRules(risk_fraction=exact(rows[0]["Fraction"])),
        {},
    )
    report = audit(
        AuditInputs(
            run_id="r",
            account=ACCOUNT,
            orders=orders,
            sized={
                ref: SizedRow(
                    sizing=s.sizing, quantity=s.quantity, mismatch=s.mismatch, findings=s.findings
                )
                for ref, s in sized.items()
            },
            notes={},
            snapshot=live,
            rules=AuditRules(max_deviation=D("0.005"), execute_on=TOMORROW),
        )
    )
    return {row.order.contract.root: row for row in report.rows}


def as_shown(row: AuditRow) -> dict[str, str]:
    spec = row.order.mapped.spec
    return {c.name: shown(c.value(row), c.style, spec) for c in BUY_COLUMNS}


def test_the_workbook_calculates_and_holds_thirty_orders() -> None:
    book = openpyxl.load_workbook(FOLDER / "audit_numbers.xlsx")
    formulas = [row[7].value for row in book["Audit"].iter_rows(min_row=2)]

    assert len(typed()) == len(calculated()) == len(audited()) == 30
    assert all(str(formula).startswith("=F") for formula in formulas)
    assert sum(r["Action"] == "SELL" and r["Kind"] == "entry" for r in typed()) == 6


@pytest.mark.parametrize("root", list(calculated()))
def test_every_shown_digit_is_the_spreadsheets(root: str) -> None:
    ours, theirs = as_shown(audited()[root]), calculated()[root]

    for name in COMPARED:
        if theirs[name] == NOT_SIZED:
            assert audited()[root].sizing is None
        else:
            assert ours[name] == theirs[name], name
