"""The SELL and the BUY table, for a person and for a machine.

A person reads flagged rows first, in the digits of each contract's tick. The machine-readable
table has the same columns first, in full precision, and then ours.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.report.columns import OUR_COLUMNS, Column, Group, side_columns
from afterclose.report.words import Missing, Value, exact, full, shown

#: What a spreadsheet would run as a formula if a free text began with it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


#: Window and width that the name BB_Lower_20_3 promises.
_USUAL_BAND = (20, Decimal(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: what is shown, and what it is sorted by. ``flag`` marks an alert that fired."""

    text: str
    sort: str
    column: Column
    missing: Missing | None = None
    flag: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One order of a table. ``sends`` is what would go to the broker, 0 for an excluded row."""

    row: AuditRow
    sends: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTable:
    """One side of the audit, flagged rows first."""

    action: Action
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]

    @property
    def orders(self) -> tuple[BasketOrder, ...]:
        """The orders of its rows."""
        return tuple(r.row.order for r in self.rows)

    @property
    def other_bands(self) -> tuple[str, ...]:
        """Bands that are not the 20-day, 3-σ one that the column's name promises."""
        sizings = [r.row.sizing for r in self.rows if r.row.sizing is not None]
        bands = {(s.window, s.width) for s in sizings if (s.window, s.width) != _USUAL_BAND}
        return tuple(f"{window} closes, {exact(width)} σ" for window, width in sorted(bands))


def audit_table(report: AuditReport, action: Action) -> AuditTable:
    """Lay out one side of the audit: the worst verdict first, then by symbol and delivery."""
    columns = side_columns(action)
    ordered = sorted(report.side(action), key=lambda row: -int(row.verdict))
    cleared = {order.order_ref: order.quantity for order in report.cleared_orders()}
    rows = tuple(
        TableRow(row=row, sends=cleared.get(row.order.order_ref, 0), cells=_cells(columns, row))
        for row in ordered
    )
    return AuditTable(action=action, columns=columns, rows=rows)


def audit_csv(report: AuditReport, action: Action) -> str:
    """Write one side of the audit for a machine: the write-up's columns first, then ours.

    Full precision, no rounding. PctDiff and Drift are fractions (0.005 is half a per cent). What
    nobody knows is the word ``unknown``, what an order does not need is ``n/a``.
    """
    return _csv((*side_columns(action), *OUR_COLUMNS), report.side(action))


def _csv(columns: Sequence[Column], rows: Iterable[AuditRow]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([machine_text(column, row) for column in columns])
    return out.getvalue()


class ActionType(StrEnum):
    """What an order does to a position, as a trader sorts a night: one side table each."""

    ENTRIES = "entries"
    #: Longs that are left or made smaller.
    EXITS = "exits"
    #: Shorts that are bought back.
    COVERS = "covers"
    ROLLS = "rolls"
    REVERSALS = "reversals"

    @classmethod
    def of(cls, order: BasketOrder) -> ActionType:
        """Return the side table that an order belongs to."""
        if order.kind in {TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN}:
            return cls.ROLLS
        if order.kind is TradeKind.REVERSAL:
            return cls.REVERSALS
        if not order.kind.closes:
            return cls.ENTRIES
        return cls.EXITS if order.action is Action.SELL else cls.COVERS


def action_csv(report: AuditReport, wanted: ActionType) -> str:
    """Write the rows of one action type, long and short, in the columns of the BUY audit."""
    rows = (r for side in Action for r in report.side(side))
    chosen = [row for row in rows if ActionType.of(row.order) is wanted]
    return _csv((*side_columns(Action.BUY), *OUR_COLUMNS), chosen)


def machine_text(column: Column, row: AuditRow) -> str:
    """Write one cell in full; a foreign text that looks like a formula is quoted."""
    text = full(column.value(row))
    if column.foreign and text.startswith(_FORMULA_STARTS):
        return f"'{text}"
    return text


def _cells(columns: Sequence[Column], row: AuditRow) -> tuple[Cell, ...]:
    return tuple(_cell(column, row) for column in columns)


def _cell(column: Column, row: AuditRow) -> Cell:
    value = column.value(row)
    return Cell(
        text=shown(value, column.style, row.order.mapped.spec),
        sort="" if isinstance(value, Missing) else full(value),
        column=column,
        missing=value if isinstance(value, Missing) else None,
        flag=_fired(column, value),
    )


def _fired(column: Column, value: Value) -> bool:
    if column.group is Group.ALERT:
        return value is True
    return column.group is Group.RISK_OK and value is False
