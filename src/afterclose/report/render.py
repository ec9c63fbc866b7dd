"""The evening as one HTML file that needs no other: from a mail attachment, offline, in ten years.

The page may run exactly one script and one style sheet, both its own: a content security policy
names them by digest, so that even a text that slipped through escaping could not run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from afterclose.domain.audit import AuditRow
from afterclose.domain.findings import Severity, Verdict, worst
from afterclose.domain.orders import Action
from afterclose.report import story, terms, words
from afterclose.report.charts import draw, order_chart
from afterclose.report.door import limit_rows
from afterclose.report.drawer import (
    Step,
    anchor,
    contract_facts,
    entry_price,
    market_facts,
    position_facts,
    sizing_steps,
)
from afterclose.report.evening import EveningView
from afterclose.report.figures import summary_facts
from afterclose.report.holdings import Exposure, Holding, exposure_by, holdings
from afterclose.report.tables import AuditTable, Cell, TableRow, audit_table
from afterclose.report.words import Missing, Style

_SECONDS_SHOWN = 120
_MINUTES_SHOWN = 120
_BREAKS = re.compile(r"(?<=_)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawer:
    """Everything behind one row."""

    row: AuditRow
    sends: int
    anchor: str
    chart: Markup
    steps: tuple[Step, ...]
    market: tuple[tuple[str, str], ...]
    positions: tuple[tuple[str, str], ...]
    contract: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the audit: its table and its drawers, in the same order."""

    table: AuditTable
    drawers: tuple[Drawer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureTable:
    """Exposure by one key; ``largest`` scales the bars."""

    key: str
    sums: tuple[Exposure, ...]
    largest: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Positions before and after, their exposure, and what could not be counted."""

    rows: tuple[Holding, ...]
    exposures: tuple[ExposureTable, ...]
    uncounted: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What takes the time: tables, charts and positions. No decision or outcome changes them."""

    sides: tuple[Side, ...]
    holdings: Holdings


def drawn(view: EveningView) -> Drawn:
    """Draw tables, charts and positions of one evening."""
    return Drawn(
        sides=tuple(_side(view, action) for action in (Action.SELL, Action.BUY)),
        holdings=_holdings(view),
    )


def render_evening(view: EveningView, parts: Drawn | None = None) -> str:
    """Write the report of one evening. The same view gives the same text, byte for byte.

    ``parts`` are those that were drawn for the same audit and account before.
    """
    environment = page_environment()
    style, script = page_style(), page_script()
    return environment.get_template("evening.html.j2").render(
        **page_values(view, parts), style=style, script=script, policy=policy(style, script)
    )


def page_values(view: EveningView, parts: Drawn | None = None) -> dict[str, Any]:
    """Return what the templates of the page are filled with; ``parts`` as above."""
    made = parts or drawn(view)
    return {
        "view": view,
        "audit": view.audit,
        "headline": story.headline(view),
        "sides": made.sides,
        "holdings": made.holdings,
        "story": story,
        "choosing": False,
    }


def page_style() -> Markup:
    """Return the style sheet of the page."""
    return _source(page_environment(), "_style.css")


def page_script() -> Markup:
    """Return the script of the page."""
    return _source(page_environment(), "_script.js")


def _side(view: EveningView, action: Action) -> Side:
    table = audit_table(view.audit, action)
    return Side(table=table, drawers=tuple(_drawer(view, r) for r in table.rows))


def _drawer(view: EveningView, item: TableRow) -> Drawer:
    row = item.row
    name = anchor(row.order.order_ref)
    entry = entry_price(row, view.account)
    return Drawer(
        row=row,
        sends=item.sends,
        anchor=name,
        chart=_trusted(draw(order_chart(row, f"{name}-chart", entry=entry))),
        steps=sizing_steps(row, view.account.base),
        market=market_facts(row),
        positions=position_facts(row, item.sends, entry),
        contract=contract_facts(row),
    )


def _holdings(view: EveningView) -> Holdings:
    rows = holdings(view)
    by_sector, uncounted = exposure_by(rows, lambda holding: holding.sector)
    by_currency, _ = exposure_by(rows, lambda holding: str(holding.currency))
    return Holdings(
        rows=rows,
        exposures=(
            _exposure_table("Sector", by_sector),
            _exposure_table("Currency", by_currency),
        ),
        uncounted=uncounted,
    )


def _exposure_table(key: str, sums: tuple[Exposure, ...]) -> ExposureTable:
    sizes = [max(abs(e.net_before), abs(e.net_after)) for e in sums]
    return ExposureTable(key=key, sums=sums, largest=max(sizes, default=Decimal(0)))


@cache
def page_environment() -> Environment:
    """Return the templates with their filters; who shows the page elsewhere overlays them."""
    environment = Environment(
        loader=PackageLoader("afterclose.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(
        Verdict=Verdict,
        Severity=Severity,
        UNKNOWN=words.UNKNOWN,
        anchor=anchor,
        cell_class=_cell_class,
        worst=worst,
        summary_facts=summary_facts,
        limit_rows=limit_rows,
    )
    return environment


def _source(environment: Environment, name: str) -> Markup:
    """Read a file of our own that goes into the page as it stands."""
    if environment.loader is None:
        raise TypeError("the environment must have a loader")
    text, _, _ = environment.loader.get_source(environment, name)
    return _trusted(text.replace("\r\n", "\n"))


def _trusted(text: str) -> Markup:
    """Mark text made by this package as safe; nothing that a user or a gateway wrote is in it."""
    return Markup(text)  # noqa: S704 - our own style, script and drawings; their texts are escaped


def policy(style: str, script: str) -> str:
    """Return the content security policy of a page with these two and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _breakable(name: str) -> Markup:
    """Let a long column name wrap where its words meet; its text stays what it was."""
    return Markup("<wbr>").join(escape(part) for part in _BREAKS.split(name))


def _cell_class(cell: Cell) -> str:
    """Style classes of a cell beside its colour group's, each after a space."""
    classes = {
        "missing": cell.missing is Missing.UNKNOWN,
        "needless": cell.missing is Missing.NOT_APPLICABLE,
        "flag": cell.flag,
        "no": cell.column.style is Style.YES_NO and not cell.flag and cell.missing is None,
        "wraps": cell.column.name == "Quotation",
    }
    return "".join(f" {name}" for name, applies in classes.items() if applies)


def _bar(value: Decimal, largest: Decimal) -> str:
    """Length of an exposure bar, of 100."""
    return f"{abs(value) / largest * 100:.1f}" if largest else "0"


def _duration(seconds: float) -> str:
    if seconds < _SECONDS_SHOWN:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < _MINUTES_SHOWN else f"{minutes / 60:.1f} h"


_FILTERS: dict[str, Callable[..., str]] = {
    "fixed": words.fixed,
    "price": words.price,
    "average_price": words.average_price,
    "money": words.money,
    "percent": words.percent,
    "quantity": words.quantity,
    "day": words.day,
    "long_day": words.long_day,
    "moment": words.moment,
    "evidence": words.evidence,
    "limit": terms.limit,
    "limit_in_currency": terms.limit_in_currency,
    "terms": terms.terms,
    "shared_terms": terms.shared_terms,
    "exact": words.exact,
    "counted": words.counted,
    "breakable": _breakable,
    "bar": _bar,
    "duration": _duration,
}
