"""The same tables as an Excel workbook, for people who work in one.

Numbers are numbers, shown in the digits of each contract's tick; PctDiff and Drift are fractions
with a percent format. Texts that others wrote stay texts: a reason that begins with ``=`` is never
a formula. The same evening gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import ContractSpec
from afterclose.domain.orders import Action
from afterclose.report import story
from afterclose.report.columns import OUR_COLUMNS, Column, side_columns
from afterclose.report.evening import EveningView
from afterclose.report.figures import summary_facts
from afterclose.report.holdings import holdings
from afterclose.report.words import UNKNOWN, Missing, Style, exact, full

#: Zip entries carry a date; this is the earliest one that the format knows.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def evening_workbook(view: EveningView) -> bytes:
    """Write the evening's tables as one ``.xlsx`` file, and return its bytes."""
    book = Workbook()
    book.remove(book.active)
    _summary_sheet(book, view)
    for action in (Action.SELL, Action.BUY):
        _audit_sheet(book, view, action)
    _excluded_sheet(book, view)
    _positions_sheet(book, view)
    _rates_sheet(book, view)
    out = io.BytesIO()
    book.save(out)
    return _without_dates(out.getvalue(), view)


def _summary_sheet(book: Workbook, view: EveningView) -> None:
    head = story.headline(view)
    rows = [
        ("Session", view.manifest.session.isoformat(), ""),
        ("Mode", view.manifest.mode.value.upper(), view.audit.account),
        ("Verdict", head.word.upper(), head.sentence),
        *((fact.name, fact.value, fact.note) for fact in summary_facts(view)),
        *((finding.code, finding.message, finding.hint) for finding in story.blockers(view)),
        *((name, value, "") for name, value in story.versions(view)),
    ]
    _plain_sheet(book, "Evening", ("What", "Value", "Note"), rows)


def _audit_sheet(book: Workbook, view: EveningView, action: Action) -> None:
    sheet = book.create_sheet(action.value)
    columns = (*side_columns(action), *OUR_COLUMNS)
    _head(sheet, [column.name for column in columns])
    for number, column in enumerate(columns, start=1):
        sheet.cell(1, number).fill = _fill(column)
    for line, row in enumerate(view.audit.side(action), start=2):
        for number, column in enumerate(columns, start=1):
            _audit_cell(sheet.cell(line, number), column, row)
    sheet.freeze_panes = "D2"
    sheet.auto_filter.ref = sheet.dimensions


def _audit_cell(cell: Any, column: Column, row: AuditRow) -> None:
    value = column.value(row)
    cell.fill = _fill(column)
    if isinstance(value, (str, bool, Missing)):
        _write_text(cell, full(value))
        if isinstance(value, Missing):
            cell.font = Font(italic=True)
        return
    cell.value = value
    cell.number_format = _number_format(column.style, row.order.mapped.spec)


def _number_format(style: Style, spec: ContractSpec) -> str:
    decimals = {Style.PRICE: spec.digits, Style.MONEY: 2, Style.RATE: 6}.get(style, 0)
    if style is Style.PERCENT:
        return "0.00%"
    grouped = "#,##0" if style is not Style.COUNT else "0"
    return grouped + ("." + "0" * decimals if decimals else "")


def _excluded_sheet(book: Workbook, view: EveningView) -> None:
    rows = [
        (r.order.order_ref, r.order.contract.symbol, "; ".join(story.why_excluded(r)))
        for r in view.audit.excluded_rows()
    ]
    lost = [(t.trade_id, t.contract.symbol, "no order") for t in story.unordered_trades(view)]
    dropped = [(f.code, f.subject, f"{f.message} {f.hint}".strip()) for f in view.dropped]
    _plain_sheet(book, "Excluded", ("Order or trade", "Subject", "Why"), [*rows, *lost, *dropped])


def _positions_sheet(book: Workbook, view: EveningView) -> None:
    base = view.account.base
    head = ("Contract", "Delivery", "Sector", "Currency", "Before", "Change", "After")
    rows = [
        (
            *(h.symbol, h.delivery, h.sector, str(h.currency)),
            *(_or_unknown(h.before), h.change, _or_unknown(h.after)),
            *(_or_unknown(h.average_cost), _or_unknown(h.value_per_contract)),
        )
        for h in holdings(view)
    ]
    _plain_sheet(book, "Positions", (*head, "Average cost", f"{base} per contract"), rows)


def _rates_sheet(book: Workbook, view: EveningView) -> None:
    known = [
        (str(c), exact(rate.rate), rate.as_of.isoformat(), rate.source)
        for c, rate in sorted(view.fx.rates.items())
    ]
    missing = [(str(c), UNKNOWN, "", why) for c, why in sorted(view.fx.missing.items())]
    head = ("Currency", f"In {view.fx.base}", "Of", "From")
    _plain_sheet(book, "FX", head, [*known, *missing])


def _plain_sheet(
    book: Workbook, title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    sheet = book.create_sheet(title)
    _head(sheet, head)
    for line, row in enumerate(rows, start=2):
        for number, value in enumerate(row, start=1):
            cell = sheet.cell(line, number)
            if isinstance(value, str):
                _write_text(cell, value)
            else:
                cell.value = value
    sheet.freeze_panes = "A2"


def _head(sheet: Any, names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        cell = sheet.cell(1, number, name)
        cell.font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(number)].width = max(11, len(name) + 2)


def _write_text(cell: Any, text: str) -> None:
    # A workbook cannot hold control characters, and would run a text that begins with "=".
    cell.value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", text)
    cell.data_type = "s"


def _or_unknown(value: Decimal | int | None) -> Decimal | int | str:
    return UNKNOWN if value is None else value


def _fill(column: Column) -> PatternFill:
    return PatternFill("solid", fgColor=f"FF{column.group.tint.upper()}")


def _without_dates(raw: bytes, view: EveningView) -> bytes:
    """Take the time of writing out of the file: the evening's own time stands in its place."""
    out = io.BytesIO()
    stamp = f"{view.written_at:%Y-%m-%dT%H:%M:%SZ}".encode()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            fixed = zipfile.ZipInfo(entry.filename, date_time=_NO_DATE)
            fixed.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(fixed, content)
    return out.getvalue()
