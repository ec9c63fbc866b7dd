from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from afterclose.domain.findings import Severity
from afterclose.domain.orders import Action
from afterclose.report.columns import BUY_COLUMNS, SELL_COLUMNS, Group
from afterclose.report.tables import TableRow, audit_csv, audit_table
from unit.report.make_bars import finding
from unit.report.make_rows import EVENING, make_row
from unit.report.make_view import make_report, make_view

SELL_NAMES = [
    *("Action", "Quantity", "Symbol", "Exchange", "LastTradingDayOrContractMonth", "Currency"),
    *("OrderType", "Multiplier", "Quotation", "LmtPrice", "Close", "PctDiff"),
    *("Alert_Deviation", "Alert_MissingPrice"),
]
BUY_NAMES = [
    *("Action", "Quantity", "Symbol", "LastTradingDayOrContractMonth", "Currency", "OrderType"),
    *("Multiplier", "Quotation", "LmtPrice", "Close", "PctDiff", "Alert_Deviation"),
    *("Alert_MissingPrice", "BB_Lower_20_3", "StopDist", "RiskPerContract"),
    *("RiskPerContract_AdjustedUSD", "FX_Conversion", "ContractsToTrade", "RiskPerTrade"),
    *("PositionMismatch", "RiskOK"),
]
TINTS = {
    **dict.fromkeys(SELL_NAMES[:9], "e6f7ff"),
    **dict.fromkeys(("LmtPrice", "Close", "PctDiff", "BB_Lower_20_3", "StopDist"), "fff7e6"),
    "RiskPerContract": "e6ffe6",
    "RiskPerContract_AdjustedUSD": "e6ffe6",
    "FX_Conversion": "e6ffe6",
    "ContractsToTrade": "e6ffe6",
    "RiskPerTrade": "e6ffe6",
    "Alert_Deviation": "ffe6cc",
    "Alert_MissingPrice": "ffe6cc",
    "PositionMismatch": "ffe6cc",
    "RiskOK": "f0fff0",
}


def row_of(action: Action, symbol: str) -> TableRow:
    table = audit_table(make_view().audit, action)
    return next(r for r in table.rows if r.row.order.contract.symbol == symbol)


def shown(action: Action, symbol: str) -> dict[str, str]:
    return {cell.column.name: cell.text for cell in row_of(action, symbol).cells}


def machine(action: Action, symbol: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(audit_csv(make_view().audit, action), newline=""))
    return next(row for row in rows if row["Contract"] == symbol)


def test_columns_are_the_write_ups_in_its_order() -> None:
    assert [c.name for c in SELL_COLUMNS] == SELL_NAMES
    assert [c.name for c in BUY_COLUMNS] == BUY_NAMES


def test_every_column_has_the_write_ups_tint() -> None:
    for column in (*SELL_COLUMNS, *BUY_COLUMNS):
        assert column.group.tint == TINTS[column.name], column.name


def test_prices_show_the_digits_of_the_contracts_tick() -> None:
    assert shown(Action.BUY, "6JZ26")["LmtPrice"] == "0.0064285"
    assert shown(Action.BUY, "6JZ26")["BB_Lower_20_3"] == "0.0063162"
    assert shown(Action.SELL, "ZNZ26")["LmtPrice"] == "113.640625"
    assert shown(Action.BUY, "ESZ26")["Close"] == "6,720.25"
    assert shown(Action.BUY, "NKDZ26")["LmtPrice"] == "48,905"


def test_a_purchase_shows_its_sizing_in_the_agreed_digits() -> None:
    cells = shown(Action.BUY, "ESZ26")

    assert cells["StopDist"] == "140.25"
    assert cells["RiskPerContract"] == "7,012.50"
    assert cells["RiskPerContract_AdjustedUSD"] == "7,012.50"
    assert cells["FX_Conversion"] == "1.000000"
    assert cells["ContractsToTrade"] == "3"
    assert cells["RiskPerTrade"] == "21,037.50"
    assert cells["PositionMismatch"] == "no"
    assert cells["RiskOK"] == "yes"


def test_the_deviation_is_a_per_cent_with_two_digits_and_a_real_minus() -> None:
    assert shown(Action.SELL, "ZNZ26")["PctDiff"] == "−0.66%"
    # (59.14 − 58.87) / 58.87 = 0.004586…
    assert shown(Action.BUY, "CLG27")["PctDiff"] == "0.46%"


def test_what_nobody_knows_is_the_word_unknown() -> None:
    korea = shown(Action.SELL, "KOSZ26")
    assert (korea["Close"], korea["PctDiff"], korea["Alert_Deviation"]) == ("unknown",) * 3
    assert korea["Alert_MissingPrice"] == "yes"

    hong_kong = shown(Action.BUY, "HSIX26")
    for name in ("RiskPerContract_AdjustedUSD", "FX_Conversion", "ContractsToTrade", "RiskOK"):
        assert hong_kong[name] == "unknown", name


def test_an_exit_is_not_sized_which_is_not_the_same_as_unknown() -> None:
    cells = shown(Action.BUY, "NKDZ26")
    assert cells["BB_Lower_20_3"] == "n/a"
    assert cells["PositionMismatch"] == "n/a"


def test_an_entry_whose_sizing_never_came_is_unknown() -> None:
    entry = next(w for w in EVENING if w.symbol == "ESZ26")
    row = replace(make_row(entry), sizing=None, position_mismatch=None)
    table = audit_table(make_report((row,)), Action.BUY)
    cells = {cell.column.name: cell.text for cell in table.rows[0].cells}
    assert (cells["StopDist"], cells["PositionMismatch"]) == ("unknown", "unknown")


def test_alerts_that_fired_are_flagged_and_no_others() -> None:
    flagged = {c.column.name for c in row_of(Action.BUY, "6JZ26").cells if c.flag}
    assert flagged == {"PositionMismatch"}
    assert not any(c.flag for c in row_of(Action.BUY, "ESZ26").cells)


def test_a_failed_risk_check_is_flagged() -> None:
    entry = next(w for w in EVENING if w.symbol == "ESZ26")
    row = make_row(entry)
    assert row.sizing is not None
    row = replace(row, sizing=replace(row.sizing, risk_ok=False))
    cells = audit_table(make_report((row,)), Action.BUY).rows[0].cells
    assert [c.column.name for c in cells if c.flag] == ["RiskOK"]


def test_flagged_rows_come_first() -> None:
    table = audit_table(make_view().audit, Action.SELL)
    symbols = [r.row.order.contract.symbol for r in table.rows]
    assert symbols == ["FGBLZ26", "KOSZ26", "ZNZ26", "CLF27", "GCZ26", "HGH27"]


def test_rows_in_are_rows_out() -> None:
    audit = make_view().audit
    assert len(audit_table(audit, Action.SELL).rows) == 6
    assert len(audit_table(audit, Action.BUY).rows) == 9
    assert audit_csv(audit, Action.SELL).count("\n") == 7
    assert audit_csv(audit, Action.BUY).count("\n") == 10


def test_the_table_says_what_would_be_sent() -> None:
    assert row_of(Action.BUY, "6JZ26").sends == 17
    assert row_of(Action.BUY, "HSIX26").sends == 0


def test_a_blocked_evening_sends_nothing_of_any_row() -> None:
    stop = finding("AC502", Severity.BLOCK, "wrong account")
    report = make_report(make_view().audit.rows, (stop,))
    assert {r.sends for r in audit_table(report, Action.BUY).rows} == {0}


@pytest.mark.parametrize(("action", "names"), [(Action.SELL, SELL_NAMES), (Action.BUY, BUY_NAMES)])
def test_the_machine_table_begins_with_the_write_ups_columns(
    action: Action, names: list[str]
) -> None:
    head = audit_csv(make_view().audit, action).splitlines()[0].split(",")
    assert head[: len(names)] == names
    assert head[len(names) : len(names) + 6] == [
        *("Model", "Kind", "OrderRef", "FinalQuantity", "Verdict", "Findings"),
    ]


def test_the_machine_table_keeps_every_digit() -> None:
    yen = machine(Action.BUY, "6JZ26")

    assert yen["BB_Lower_20_3"] == "0.00631625"
    assert yen["StopDist"] == "0.00011225"
    assert yen["RiskPerContract"] == "1403.125"
    assert yen["RiskPerTrade"] == "23853.125"
    assert yen["FinalQuantity"] == "17"
    assert yen["PositionMismatch"] == "True"


def test_the_machine_table_has_no_exponents_and_plain_minus_signs() -> None:
    text = audit_csv(make_view().audit, Action.SELL)
    assert "−" not in text
    assert machine(Action.SELL, "ZNZ26")["PctDiff"].startswith("-0.00659")
    tiny = machine(Action.BUY, "6JZ26")["Drift"]
    assert tiny.startswith("0.0000777")


def test_a_short_entry_keeps_its_sizing_in_the_machine_table() -> None:
    copper = machine(Action.SELL, "HGH27")
    assert copper["Band"] != "n/a"
    assert copper["MaxRisk"] == "25000"


def test_a_reason_that_looks_like_a_formula_cannot_run_in_a_spreadsheet() -> None:
    entry = next(w for w in EVENING if w.symbol == "ESZ26")
    row = make_row(replace(entry, reason='=HYPERLINK("http://x")'))
    text = audit_csv(make_report((row,)), Action.BUY)
    assert next(csv.DictReader(io.StringIO(text)))["Reason"] == '\'=HYPERLINK("http://x")'


def test_findings_are_one_cell_with_code_and_fix() -> None:
    text = machine(Action.BUY, "HSIX26")["Findings"]
    assert text.startswith("AC441 BLOCK: no exchange rate for HKD")
    assert "→ subscribe to IDEALPRO" in text


def test_our_own_columns_have_no_tint() -> None:
    assert Group.OURS.tint == "ffffff"
