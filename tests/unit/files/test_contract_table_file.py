from __future__ import annotations

import csv
import io
from importlib import resources

import pytest

from afterclose.adapters.files.contract_table import COLUMNS, packaged_specs, read_table
from afterclose.domain.contracts import RootSymbol, Settlement
from afterclose.domain.findings import Severity
from afterclose.errors import UsageError

TEXT = resources.files("afterclose").joinpath("data", "contracts.csv").read_text(encoding="utf-8")
ROWS = {row["root"]: row for row in csv.DictReader(io.StringIO(TEXT, newline=""))}


def table(*rows: dict[str, str]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def test_the_packaged_table_has_85_roots_and_no_findings() -> None:
    reading = read_table(TEXT, source="contracts.csv")

    assert len(reading.specs) == 85
    assert reading.findings == ()


def test_a_row_becomes_the_facts_of_its_root() -> None:
    spec = packaged_specs()[RootSymbol("DC")]

    assert (spec.name, spec.sector, spec.months) == (
        "Class III Milk",
        "Agriculture",
        "FGHJKMNQUVXZ",
    )
    assert (spec.trading_class, spec.settlement) == ("DC", Settlement.CASH)
    assert spec.flags.startswith("The symbol DA also carries the other milk classes. ")


def test_serial_months_are_told_from_the_cycle() -> None:
    assert packaged_specs()[RootSymbol("GC")].months == "GJMQVZ (+serial)"


@pytest.mark.parametrize(
    ("root", "changes", "message"),
    [
        ("ES", {"root": ""}, "root cannot be read"),
        ("ES", {"root": "E-S"}, "root cannot be read"),
        ("ES", {"root": "es"}, "root cannot be read"),
        ("ES", {"ib_symbol": ""}, "ib_symbol must not be empty"),
        ("ES", {"ib_exchange": ""}, "ib_exchange must not be empty"),
        ("ES", {"currency": "US"}, "currency cannot be read"),
        ("ES", {"multiplier": "fifty"}, "multiplier cannot be read"),
        ("ES", {"multiplier": "5e1"}, "multiplier cannot be read"),
        ("ES", {"multiplier": ""}, "without a constant multiplier must give the reason"),
        ("ES", {"point_value": "5"}, "point_value must be multiplier / price_magnifier"),
        ("ZC", {"price_magnifier": "1"}, "point_value must be multiplier / price_magnifier"),
        ("ES", {"price_magnifier": "3"}, "price_magnifier must be one of"),
        ("ES", {"tick_size": "0"}, "tick_size must be positive"),
        ("ES", {"tick_size": "-0.25"}, "tick_size cannot be read"),
        ("ES", {"tick_size": "1/4"}, "tick_size cannot be read"),
        ("ES", {"tick_size": "nan"}, "tick_size cannot be read"),
        ("ES", {"vendor_to_ib_scale": ""}, "whose vendor unit is not known must give the reason"),
        ("ES", {"vendor_to_ib_scale": "0.00"}, "vendor_to_ib_scale must be positive"),
        ("ES", {"months": ""}, "months must not be empty"),
        ("ES", {"months": "MHUZ"}, "months must be letters of FGHJKMNQUVXZ in order"),
        ("ES", {"months": "HMUZA"}, "months must be letters"),
        ("ES", {"months": " (+serial)"}, "months must be letters"),
        ("ES", {"settlement": "both"}, "settlement must be one of cash, physical"),
        ("ES", {"ambiguous": "perhaps"}, "ambiguous must be one of yes, no"),
        ("ES", {"send_trading_class": ""}, "send_trading_class must be one of yes, no"),
        ("ES", {"confidence": "certain"}, "confidence must be one of high, medium, low"),
        ("ES", {"last_trade_month_offset": "2"}, "last_trade_month_offset must be one of"),
    ],
)
def test_a_row_that_cannot_be_used_is_a_finding(
    root: str, changes: dict[str, str], message: str
) -> None:
    reading = read_table(table(ROWS["CL"], ROWS[root] | changes), source="my.csv")

    (finding,) = reading.findings
    assert (finding.code, finding.severity) == ("AC220", Severity.BLOCK)
    assert finding.subject == "my.csv, line 3"
    assert message in finding.message
    assert list(reading.specs) == ["CL"]
    assert list(reading.last_trade_month_offset) == ["CL"]


def test_a_root_given_twice_is_a_finding() -> None:
    reading = read_table(table(ROWS["CL"], ROWS["CL"]), source="my.csv")

    assert [f.subject for f in reading.findings] == ["my.csv, line 3"]
    assert "given in an earlier row" in reading.findings[0].message


@pytest.mark.parametrize("line", ["ES,short", ",".join(["x"] * 40)])
def test_a_row_of_another_width_is_a_finding(line: str) -> None:
    (finding,) = read_table(table() + line + "\n", source="my.csv").findings

    assert "columns" in finding.message


def test_empty_lines_are_passed_over() -> None:
    text = table(ROWS["CL"]).replace("\n", "\n\n")

    assert list(read_table(text, source="my.csv").specs) == ["CL"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "columns missing: .*found: none"),
        ("root,name\n", "columns missing: sector, .*found: root, name"),
        (TEXT.replace("flags", "blocked", 1), "columns missing: flags"),
        (TEXT.replace("root,", "root,root,", 1), "columns given twice: root"),
        (table() + '"unclosed', "line 2: not a CSV file"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(text: str, error: str) -> None:
    with pytest.raises(UsageError, match=error) as refusal:
        read_table(text, source="my.csv")
    assert refusal.value.hint
