"""The limits at the door in words: set or not, what tonight comes to, and of which order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.sending import LimitFigure
from afterclose.report.evening import EveningView
from afterclose.report.words import UNKNOWN, counted, money, percent

NOT_SET = "not set"
_COUNTS = frozenset({"orders_per_evening", "quantity_per_order"})
_FRACTIONS = frozenset({"price_band"})
_NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit as it is shown; ``anchored`` where ``of`` is an order of the page."""

    name: str
    most: str
    set: bool
    tonight: str
    missing: bool
    share: str
    exceeded: bool
    of: str
    anchored: bool


def limit_rows(view: EveningView) -> tuple[LimitRow, ...]:
    """Return the rows of the limits' table; none where nobody worked them out."""
    refs = {row.order.order_ref for row in view.audit.rows}
    return tuple(_row(view, figure, refs) for figure in view.limits or ())


def _row(view: EveningView, figure: LimitFigure, refs: set[str]) -> LimitRow:
    tonight = _NONE if figure.tonight is None else _text(view, figure, figure.tonight)
    if figure.unknown:
        said = f"{counted(figure.unknown, 'order')} {UNKNOWN}"
        tonight = said if figure.tonight is None else f"{tonight} and {said}"
    share = "–"
    if figure.most and figure.tonight is not None:
        share = percent(figure.tonight / figure.most)
    return LimitRow(
        name=figure.name,
        most=NOT_SET if figure.most is None else _text(view, figure, figure.most),
        set=figure.most is not None,
        tonight=tonight,
        missing=figure.unknown > 0,
        share=share,
        exceeded=figure.exceeded,
        of=figure.of,
        anchored=figure.of in refs,
    )


def _text(view: EveningView, figure: LimitFigure, value: Decimal) -> str:
    if figure.name in _COUNTS:
        return f"{value:,.0f}"
    if figure.name in _FRACTIONS:
        return percent(value)
    return money(value, view.account.base)
