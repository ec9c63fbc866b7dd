"""Tables of an evening as DataFrames: numbers inside, the report's digits and colours outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from afterclose.domain.audit import AuditReport
from afterclose.domain.findings import Finding
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Action
from afterclose.report.columns import OUR_COLUMNS, Column, Group
from afterclose.report.tables import audit_table
from afterclose.report.words import Missing, Style, Value, shown

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_INK, _FLAG = "#1c1f24", "#a01f19"
_NUMBERS = frozenset({Style.COUNT, Style.PRICE, Style.MONEY, Style.RATE, Style.PERCENT})


class AuditFrame(pd.DataFrame):
    """A DataFrame of orders that displays in the report's digits and colour groups.

    The values are plain numbers, NaN where nobody knows; the display says ``unknown`` or ``n/a``.
    Filtered and sorted, it keeps its colours; computed columns are shown as they are.
    """

    _metadata = ("_texts", "_groups")

    @property
    def _constructor(self) -> Callable[..., AuditFrame]:
        return AuditFrame

    @property
    def style(self) -> Styler:
        """The table as it is displayed."""
        texts: Mapping[tuple[Any, str], str] = getattr(self, "_texts", {})
        groups: Mapping[str, Group] = getattr(self, "_groups", {})
        plain = pd.DataFrame(self)
        table = pd.DataFrame(
            {
                name: [texts.get((ref, name), str(value)) for ref, value in plain[name].items()]
                for name in plain.columns
            },
            index=plain.index,
            columns=plain.columns,
            dtype=object,
        )
        styler = table.style
        for group in Group:
            columns = [c for c in table.columns if groups.get(c) is group]
            if columns and group is not Group.OURS:
                colours = {"background-color": f"#{group.tint}", "color": _INK}
                styler = styler.set_properties(subset=pd.Index(columns), **colours)
        alerts = [c for c in table.columns if groups.get(c) in {Group.ALERT, Group.RISK_OK}]
        flags = pd.DataFrame(
            {name: [_flag(groups[name], text) for text in table[name]] for name in alerts},
            index=table.index,
            columns=alerts,
        )
        return styler.apply(lambda _table: flags, axis=None, subset=pd.Index(alerts))

    def _display_(self) -> Styler:
        """What marimo shows; it would show a table of its own, without the colour groups."""
        return self.style

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto;max-height:70vh">{self.style.to_html()}</div>'


def _flag(group: Group, text: str) -> str:
    fired = text == ("yes" if group is Group.ALERT else "no")
    return f"color: {_FLAG}; font-weight: 700" if fired else ""


@dataclass(frozen=True)
class Audit:
    """The audit of one evening as tables; the index is the order reference."""

    _report: AuditReport
    _lives: tuple[OrderLife, ...]

    @cached_property
    def sells(self) -> AuditFrame:
        """The SELL table, with the write-up's columns and ours behind them."""
        return _frame(self._report, Action.SELL)

    @cached_property
    def buys(self) -> AuditFrame:
        """The BUY table, likewise."""
        return _frame(self._report, Action.BUY)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Every finding of the evening and its rows, the worst first."""
        found = [*self._report.findings, *(f for r in self._report.rows for f in r.findings)]
        return _findings(sorted(found, key=lambda f: -int(f.severity)))

    @cached_property
    def orders(self) -> pd.DataFrame:
        """What became of each order that may be sent; NaN and "not sent" before it left."""
        known = {life.order.order_ref: life for life in self._lives}
        cleared = [
            known.get(o.order_ref, OrderLife(order=o)) for o in self._report.cleared_orders()
        ]
        return pd.DataFrame([_order(life) for life in cleared], columns=_ORDER_COLUMNS).set_index(
            "OrderRef"
        )

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Every execution of the evening's orders, in the order of time."""
        ours = {row.order.order_ref for row in self._report.rows}
        rows = [_fill(life) for life in self._lives if life.order.order_ref in ours]
        frame = pd.DataFrame([f for fills in rows for f in fills], columns=_FILL_COLUMNS)
        return frame.sort_values("At", ignore_index=True)


_ORDER_COLUMNS = [
    *("OrderRef", "Model", "Contract", "Action", "Quantity", "LmtPrice", "State"),
    *("Filled", "AveragePrice", "Commission", "Said"),
]
_FILL_COLUMNS = [
    *("At", "OrderRef", "Contract", "Action", "Quantity", "Price"),
    *("Commission", "Currency", "ExecId"),
]
_STATE_WORDS = {"intended": "not sent"}


def _order(life: OrderLife) -> tuple[object, ...]:
    order = life.order
    paid = [f.commission for f in life.fills if f.commission is not None]
    return (
        order.order_ref,
        order.model,
        order.contract.symbol,
        order.action.value,
        order.quantity,
        float(order.limit_price),
        _STATE_WORDS.get(life.state.value, life.state.value),
        life.filled,
        number(life.average_price),
        float(sum(paid)) if len(paid) == len(life.fills) and paid else float("nan"),
        " ".join(life.text.split()),
    )


def _fill(life: OrderLife) -> list[tuple[object, ...]]:
    return [
        (
            pd.Timestamp(fill.at),
            life.order.order_ref,
            life.order.contract.symbol,
            fill.action.value,
            fill.quantity,
            float(fill.price),
            number(fill.commission),
            str(fill.commission_currency or ""),
            fill.exec_id,
        )
        for fill in life.fills
    ]


def _frame(report: AuditReport, action: Action) -> AuditFrame:
    """Make one side's table: the report's columns and digits, values as numbers."""
    table = audit_table(report, action)
    ours = tuple(c for c in OUR_COLUMNS if c.name != "OrderRef")
    columns = (*table.columns, *ours)
    rows = [item.row for item in table.rows]
    refs = pd.Index([r.order.order_ref for r in rows], name="OrderRef")
    frame = AuditFrame(
        {c.name: pd.Series([_plain(c, c.value(r)) for r in rows], index=refs) for c in columns},
        index=refs,
    )
    texts = {
        (r.order.order_ref, c.name): shown(c.value(r), c.style, r.order.mapped.spec)
        for r in rows
        for c in columns
    }
    object.__setattr__(frame, "_texts", texts)
    object.__setattr__(frame, "_groups", {c.name: c.group for c in columns})
    return frame


def _plain(column: Column, value: Value) -> object:
    """Return a cell as a plain value; what is missing is NaN in numbers, else its word."""
    if isinstance(value, Missing):
        return float("nan") if column.style in _NUMBERS else value.value
    if column.style in _NUMBERS and not isinstance(value, (str, bool)):
        return int(value) if column.style is Style.COUNT else float(value)
    return float("nan") if column.style in _NUMBERS else value


def _findings(found: Sequence[Finding]) -> pd.DataFrame:
    columns = ["Code", "Severity", "Subject", "Message", "Do"]
    rows = [(f.code, f.severity.name.lower(), f.subject, f.message, f.hint) for f in found]
    return pd.DataFrame(rows, columns=columns)


def number(value: Decimal | None) -> float:
    """Return a figure as a float, NaN where nobody knows it."""
    return float("nan") if value is None else float(value)
