from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.files.workbook import (
    WorkbookReading,
    override,
    override_findings,
    read_workbook,
    write_workbook,
)
from afterclose.domain.contracts import ContractSpec, RootSymbol
from afterclose.domain.findings import Severity
from afterclose.errors import UsageError
from unit.files.workbook_bytes import ES, EXTRA, HEADER, csv_text, saved, xlsx

SPECS = packaged_specs()


def read(data: bytes, session: date | None = None) -> WorkbookReading:
    return read_workbook(data, source="map.xlsx", session=session)


def mapped(root: str, *rows: Any, header: Any = HEADER) -> ContractSpec:
    return override(SPECS, read(xlsx(*rows, header=header)))[RootSymbol(root)]


def codes(data: bytes, session: date | None = None) -> list[str]:
    reading = read(data, session)
    return sorted(f.code for f in (*reading.findings, *override_findings(SPECS, reading)))


def test_a_row_that_repeats_the_packaged_facts_changes_nothing() -> None:
    data = xlsx(ES)

    assert override(SPECS, read(data)) == SPECS
    assert codes(data) == []


def test_a_row_overrides_symbol_exchange_currency_tick_and_size() -> None:
    spec = mapped("FDAX", ("FDAX", "DAX", "FUT", "EUREX2", "CHF", 0.5, "points", 5))

    assert (spec.ib_symbol, spec.ib_exchange, spec.currency) == ("DAX", "EUREX2", "CHF")
    assert (spec.tick_size, spec.multiplier, spec.point_value) == (Decimal("0.5"), "5", Decimal(5))
    assert spec.quotation == "points"
    assert spec.vendor_to_ib_scale == SPECS[RootSymbol("FDAX")].vendor_to_ib_scale


def test_every_fact_that_a_row_changes_is_a_finding_with_both_values() -> None:
    reading = read(xlsx(("CL", "CL2", "FUT", "NYMEX", "USD", 0.02, "USD per barrel", 1000)))

    findings = override_findings(SPECS, reading)

    assert [(f.code, f.severity, f.evidence["fact"]) for f in findings] == [
        ("AC223", Severity.WARN, "ib_symbol"),
        ("AC223", Severity.WARN, "tick_size"),
        ("AC223", Severity.WARN, "trading_class"),
    ]
    assert findings[1].message == "tick size of CL is 0.02, the packaged table has 0.01"
    assert findings[1].subject == "map.xlsx, row 2"


def test_an_empty_cell_keeps_the_packaged_fact() -> None:
    assert (
        mapped("KC", ("KC", None, "", " ", "\u00a0", None, None, None)) == SPECS[RootSymbol("KC")]
    )


def test_another_size_is_another_product_with_a_trading_class_of_its_own() -> None:
    micro = ("FESX", "ESTX50", "FUT", "EUREX", "EUR", 1, "index points", 1)

    without = mapped("FESX", micro)
    named = mapped("FESX", (*micro, 1, 1, "FSXE"), header=EXTRA)

    assert (without.trading_class, without.send_trading_class) == ("", False)
    assert without.ambiguous
    assert (named.trading_class, named.send_trading_class) == ("FSXE", True)


def test_another_symbol_is_asked_for_by_its_multiplier() -> None:
    spec = mapped("ES", ("ES", "MES", "FUT", "CME", "USD", 0.25, "index points", 5))

    assert (spec.ib_symbol, spec.multiplier, spec.trading_class) == ("MES", "5", "")
    assert (spec.ambiguous, spec.send_trading_class) == (True, False)


@pytest.mark.parametrize(
    ("cell", "tick"), [("0,250", "0.25"), ("0,125", "0.125"), ("1,25", "1.25")]
)
def test_a_comma_behind_a_small_number_is_a_decimal_comma(cell: str, tick: str) -> None:
    spec = mapped("ES", ("ES", "ES", "FUT", "CME", "USD", cell, "index points", 50))

    assert spec.tick_size == Decimal(tick)


@pytest.mark.parametrize(
    ("cell", "tick"),
    [
        (0.015625, "0.015625"),
        ("0.015625", "0.015625"),
        ("0,015625", "0.015625"),
        ("1/64", "0.015625"),
        (" 1/64 point ", "0.015625"),
        ("1/2 of 1/32", "0.015625"),
        ("0.5/32", "0.015625"),
        ("0.015625 points = $15.625", "0.015625"),
        ("\u00a00.015625\u00a0", "0.015625"),
        ("\u200b0.015625\ufeff", "0.015625"),
        ("\uff10.015625", "0.015625"),
        ("1/32nds", "0.03125"),
        ("1/128 (0.0078125)", "0.0078125"),
    ],
)
def test_ticks_are_read_as_people_write_them(cell: object, tick: str) -> None:
    spec = mapped("ZN", ("ZN", "ZN", "FUT", "CBOT", "USD", cell, "points", 1000))

    assert (spec.tick_size, spec.blocked) == (Decimal(tick), "")


@pytest.mark.parametrize(
    ("root", "cell", "multiplier"),
    [
        ("ZC", "5,000 bushels", "5000"),
        ("ZC", "5000.0", "5000"),
        ("ZC", 5000.0, "5000"),
        ("ZC", "5 000", "5000"),
        ("ZC", "5'000", "5000"),
        ("ZC", "5.000,00", "5000"),
        ("6J", "12,500,000 JPY", "12500000"),
        ("6J", "12.500.000", "12500000"),
        ("6J", 12500000, "12500000"),
        ("LBR", "27,5 mbf", "27.5"),
        ("LBR", 27.5, "27.5"),
        ("ES", "$50", "50"),
        ("ES", "USD 50 x index", "50"),
    ],
)
def test_contract_sizes_are_read_as_people_write_them(
    root: str, cell: object, multiplier: str
) -> None:
    row = (root, None, "FUT", None, None, None, None, cell)

    assert mapped(root, row).multiplier == multiplier
    assert codes(xlsx(row)) == []


def test_a_tick_of_five_ten_millionths_survives_a_spreadsheet() -> None:
    row = ("6J", "JPY", "FUT", "CME", "USD", "5E-07", "USD per JPY", 12500000)

    assert mapped("6J", row).tick_size == Decimal("0.0000005")
    assert codes(xlsx(row)) == []


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Tick Size", datetime(2026, 1, 4)),  # noqa: DTZ001 - as a spreadsheet stores 1/4
        ("Tick Size", "quarter of a cent"),
        ("Tick Size", "1 1/2"),
        ("Tick Size", "1½"),
        ("Tick Size", "10²"),
        ("Tick Size", "1/3"),
        ("Tick Size", "1/0"),
        ("Tick Size", 0),
        ("Tick Size", -0.25),
        ("Tick Size", True),
        ("Tick Size", "#N/A"),
        ("Tick Size", "#REF!"),
        ("Tick Size", "0.2.5"),
        ("Tick Size", "nan"),
        ("Contract Size IB", "varies"),
        ("Contract Size IB", "1e30"),
        ("Currency IB", "dollars"),
        ("Currency IB", "US$"),
        ("Exchange IB", "CME, Globex"),
        ("Symbol IB", "E-mini S&P"),
        ("Magnifier", 3),
        ("Price Scale", "x100"),
        ("Trading Class", "a b"),
        ("Valid From", "spring"),
        ("Valid From", "2026-02-30"),
    ],
)
def test_a_filled_cell_that_cannot_be_read_blocks_its_root(column: str, cell: object) -> None:
    row = dict.fromkeys(EXTRA) | dict(zip(HEADER, ES, strict=True)) | {column: cell}
    data = xlsx(list(row.values()), ("CL",), header=EXTRA)

    reading = read(data)

    (finding,) = reading.findings
    assert (finding.code, finding.severity) == ("AC222", Severity.BLOCK)
    assert finding.subject == "map.xlsx, row 2"
    assert column in finding.message
    assert finding.hint
    specs = override(SPECS, reading)
    assert column in specs[RootSymbol("ES")].blocked
    assert specs[RootSymbol("CL")].blocked == ""


def test_a_formula_that_was_never_calculated_is_not_taken_for_an_empty_cell() -> None:
    data = xlsx(("ES", "ES", "FUT", "CME", "USD", "=1/4", "index points", 50))

    assert codes(data) == ["AC222"]
    assert "never calculated" in override(SPECS, read(data))[RootSymbol("ES")].blocked


def test_an_option_is_no_future() -> None:
    data = xlsx(("ES", "ES", "FOP", "CME", "USD", 0.25, "index points", 50))

    assert codes(data) == ["AC227"]
    assert "FOP" in override(SPECS, read(data))[RootSymbol("ES")].blocked


@pytest.mark.parametrize(
    "row",
    [
        # The vendor's tick in cents, where IB quotes dollars.
        ("ZR", "ZR", "FUT", "CBOT", "USD", 0.5, "USD per cwt", 2000),
        ("HG", "HG", "FUT", "COMEX", "USD", 0.05, "USD per lb", 25000),
        ("6J", "JPY", "FUT", "CME", "USD", 0.00005, "USD per JPY", 12500000),
        # IB's minTick, which is in dollars, where the price is in cents.
        ("ZC", "ZC", "FUT", "CBOT", "USD", 0.0025, "US cents per bushel", 5000),
        # The point value, where IB's multiplier belongs.
        ("ZC", "ZC", "FUT", "CBOT", "USD", 0.25, "US cents per bushel", 50),
        ("LFT", "Z", "FUT", "ICEEU", "GBP", 0.5, "index points", 10),
        # A point for a comma.
        ("ES", "ES", "FUT", "CME", "USD", 25, "index points", 50),
    ],
)
def test_a_value_in_another_unit_blocks_its_root(row: tuple[Any, ...]) -> None:
    reading = read(xlsx(row))

    (finding,) = override_findings(SPECS, reading)

    assert (finding.code, finding.severity) == ("AC224", Severity.BLOCK)
    assert override(SPECS, reading)[RootSymbol(row[0])].blocked.startswith("map.xlsx, row 2: ")


def test_a_unit_may_be_changed_on_purpose() -> None:
    row = ("ZR", "ZR", "FUT", "CBOT", "USD", 0.5, "US cents per cwt", 20, 1, 1, None)
    spec = mapped("ZR", row, header=EXTRA[:11])

    assert spec.blocked == ""
    assert (spec.vendor_to_ib_scale, spec.tick_size) == (Decimal(1), Decimal("0.5"))
    assert codes(xlsx(row, header=EXTRA[:11])) == ["AC223"] * 5


def test_cents_in_the_quotation_of_a_dollar_market_are_pointed_out() -> None:
    row = ("HG", "HG", "FUT", "COMEX", "USD", 0.0005, "cents per pound", 25000)

    assert codes(xlsx(row)) == ["AC223"]


def test_a_multiplier_settles_a_root_that_has_no_constant_one() -> None:
    data = xlsx(("YXT", "XT", "FUT", "SNFE", "AUD", 0.005, "100 minus yield", 8823))
    spec = override(SPECS, read(data))[RootSymbol("YXT")]

    assert (spec.blocked, spec.multiplier, spec.point_value) == ("", "8823", Decimal(8823))
    assert codes(data) == ["AC223", "AC229"]


def test_a_price_scale_settles_a_root_whose_unit_is_not_known() -> None:
    row = ("SIL", "SI", "FUT", "COMEX", "USD", 0.005, "USD per troy ounce", 1000)

    settled = mapped("SIL", (*row, 0.01), header=EXTRA[:9])
    unsettled = mapped("SIL", row)

    assert (settled.blocked, settled.vendor_to_ib_scale) == ("", Decimal("0.01"))
    assert "unit of the vendor price" in unsettled.blocked
    assert "leaves Price Scale empty" in unsettled.blocked


def test_a_root_that_only_the_workbook_has_needs_all_its_facts() -> None:
    row = ("ZQ", "ZQ", "FUT", "CBOT", "USD", 0.005, "100 minus rate", 4167)

    missing, whole = read(xlsx(row)), read(xlsx((*row, 1), header=EXTRA[:9]))

    assert RootSymbol("ZQ") not in override(SPECS, missing)
    (finding,) = override_findings(SPECS, missing)
    assert (finding.code, finding.severity) == ("AC225", Severity.BLOCK)
    assert "Price Scale" in finding.message
    spec = override(SPECS, whole)[RootSymbol("ZQ")]
    assert (spec.ib_symbol, spec.multiplier, spec.point_value) == ("ZQ", "4167", Decimal(4167))
    assert spec.ambiguous
    assert [f.code for f in override_findings(SPECS, whole)] == ["AC225"]


def test_a_root_given_twice_alike_is_one_row() -> None:
    assert codes(xlsx(ES, ES)) == []


def test_a_root_given_twice_differently_is_blocked() -> None:
    data = xlsx(ES, ("CL",), (*ES[:7], 5))

    reading = read(data)

    assert codes(data) == ["AC228"]
    assert "rows 2 and 4" in override(SPECS, reading)[RootSymbol("ES")].blocked


def test_a_renamed_symbol_holds_from_its_day_on() -> None:
    peso = ("6M", None, "FUT", None, None, None, None, None, None, None, None)
    data = xlsx(
        (*peso[:1], "MXP", *peso[2:], None, date(2026, 5, 29)),
        (*peso[:1], "6M", *peso[2:], datetime(2026, 6, 1), None),  # noqa: DTZ001 - as a cell
        header=EXTRA,
    )

    for session, symbol in ((date(2026, 5, 29), "MXP"), (date(2026, 6, 1), "6M")):
        reading = read(data, session)
        assert reading.findings == ()
        assert override(SPECS, reading)[RootSymbol("6M")].ib_symbol == symbol
    assert codes(data) == ["AC228"]


def test_a_row_outside_its_time_is_not_used() -> None:
    data = xlsx((*ES[:1], "ES2", *ES[2:], None, None, None, "2027-01-01"), header=EXTRA[:12])

    assert override(SPECS, read(data, date(2026, 11, 20))) == SPECS


def test_notes_below_the_table_are_reported_and_not_used() -> None:
    data = xlsx(ES, (), ("Source: exchange pages, checked in May",), (None, "x"))

    reading = read(data)

    assert [(f.code, f.severity, f.subject) for f in reading.findings] == [
        ("AC221", Severity.WARN, "map.xlsx, row 4"),
        ("AC221", Severity.WARN, "map.xlsx, row 5"),
    ]
    assert list(reading.overrides) == ["ES"]


def test_roots_are_read_through_spaces_and_small_letters() -> None:
    assert list(read(xlsx((" es ", *ES[1:]))).overrides) == ["ES"]


@pytest.mark.parametrize("sheet", ["ziplineib", " Zipline IB ", "ZIPLINE_IB"])
def test_the_name_of_the_sheet_may_be_spelled_freely(sheet: str) -> None:
    assert codes(xlsx(ES, sheet=sheet)) == []


def test_a_sheet_of_another_name_is_found_by_its_columns() -> None:
    data = xlsx(ES, sheet="Sheet1")

    assert codes(data) == ["AC226"]
    assert list(read(data).overrides) == ["ES"]


def test_of_two_sheets_that_look_alike_none_is_chosen() -> None:
    book = Workbook()
    for name in ("Old", "New"):
        book.create_sheet(name).append(HEADER)

    with pytest.raises(UsageError, match="no sheet 'ZiplineIB', and 2 of its sheets look like it"):
        read(saved(book))


def test_other_sheets_beside_the_mapping_do_not_matter() -> None:
    book = Workbook()
    book.create_sheet("Old").append(HEADER)
    sheet = book.create_sheet("ZiplineIB")
    sheet.append(HEADER)
    sheet.append(ES)

    assert list(read(saved(book)).overrides) == ["ES"]


def test_the_header_may_stand_below_a_title() -> None:
    reading = read(xlsx((*ES[:7], "x"), above=3))

    assert reading.findings[0].subject == "map.xlsx, row 5"


def test_headers_may_be_spelled_freely() -> None:
    header = ("SYMBOL", "Symbol_IB", "sec type", "exchange ib ", "CurrencyIB", "tick size",
              "Quotation\n", "Contract  Size IB")  # fmt: skip

    assert codes(xlsx(ES, header=header)) == []


@pytest.mark.parametrize("name", HEADER[1:])
def test_a_missing_column_is_refused_by_name(name: str) -> None:
    header = [column if column != name else "Other" for column in HEADER]

    with pytest.raises(UsageError, match=rf"columns missing: {name}; found: .*Other") as refusal:
        read(xlsx(ES, header=header))
    assert "mapping export" in refusal.value.hint


def test_a_doubled_column_is_refused() -> None:
    with pytest.raises(UsageError, match="given twice: Tick Size"):
        read(xlsx(ES, header=(*HEADER, "TICK SIZE")))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"PK\x03\x04 and then nothing", "cannot be opened as a workbook"),
        (b"PK", "cannot be opened as a workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (bytes(range(256)), "not a text file"),
        (b"Dear desk,\nhere is the mapping.\n", "columns missing"),
        (saved(Workbook()), "columns missing"),
        (xlsx(ES, sheet="Sheet1")[:2000], "cannot be opened as a workbook"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(data: bytes, error: str) -> None:
    with pytest.raises(UsageError, match=error) as refusal:
        read(data)
    assert refusal.value.hint


def test_a_sheet_that_states_a_wrong_size_is_read_whole() -> None:
    # Some programs write that the sheet ends at its first cell.
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(ES))) as good, zipfile.ZipFile(buffer, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name).replace(b'ref="A1:H2"', b'ref="A1"'))

    assert list(read(buffer.getvalue()).overrides) == ["ES"]


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("letter.txt", "hello")

    with pytest.raises(UsageError, match="cannot be opened as a workbook"):
        read(buffer.getvalue())


def test_an_archive_that_unpacks_to_far_too_much_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (65 * 1024 * 1024))

    with pytest.raises(UsageError, match="unpacks to"):
        read(buffer.getvalue())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_same_sheet_may_be_csv(separator: str) -> None:
    row = ("CL", "CL", "FUT", "NYMEX", "USD", "0.02", "USD per barrel", "1000 barrels")
    reading = read(csv_text((), row, separator=separator).encode("utf-8-sig"))

    assert reading.overrides[RootSymbol("CL")].row == 3
    assert override(SPECS, reading)[RootSymbol("CL")].tick_size == Decimal("0.02")


def test_decimal_commas_are_read_in_a_csv_with_semicolons() -> None:
    row = ("CL", "CL", "FUT", "NYMEX", "USD", "0,02", "USD per barrel", "1.000,0")
    spec = override(SPECS, read(csv_text(row, separator=";").encode()))[RootSymbol("CL")]

    assert (spec.tick_size, spec.multiplier) == (Decimal("0.02"), "1000")


def test_an_exported_workbook_reads_back_to_the_same_facts(tmp_path: Path) -> None:
    path = tmp_path / "ZiplineIB_Mapping.xlsx"

    write_workbook(path, SPECS)
    reading = read_workbook(path.read_bytes(), source=path.name)

    assert reading.findings == override_findings(SPECS, reading) == ()
    assert len(reading.overrides) == 85
    specs = override(SPECS, reading)
    blocked = {root for root, spec in SPECS.items() if spec.blocked}
    assert {r: s for r, s in specs.items() if r not in blocked} == {
        r: s for r, s in SPECS.items() if r not in blocked
    }
    assert all(specs[root].blocked for root in blocked)


def test_an_exported_workbook_is_made_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "map.xlsx"
    write_workbook(path, SPECS)

    sheet = load_workbook(path)["ZiplineIB"]

    assert [cell.value for cell in sheet[1]][:8] == list(HEADER)
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref is not None
    rows = {row[0].value: row for row in sheet.iter_rows(min_row=2)}
    assert rows["6J"][5].value == 5e-07
    assert rows["6J"][5].number_format == "0.0000000"
    assert rows["6J"][7].number_format == "0"
    assert rows["LBR"][7].value == 27.5
    assert rows["GWM"][7].value is None
    assert rows["GWM"][0].fill.fgColor.rgb != rows["ES"][0].fill.fgColor.rgb
    assert "BLOCKED" in str(rows["GWM"][-1].value)


def test_a_workbook_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_workbook(tmp_path, SPECS)
