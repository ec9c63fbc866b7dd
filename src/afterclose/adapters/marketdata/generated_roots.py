"""The markets of the generated data: real names, currencies, ticks, point values and expiry rules.

Prices and volumes are round figures of the present day in the data vendor's units; the rules of
expiry follow the exchanges' own, near enough for a demonstration.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from importlib import resources

from afterclose.errors import DataError

_TABLE = "generated_roots.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedRoot:
    """One row of the table.

    ``price`` is the level the market hovers about; ``volatility`` its yearly standard deviation;
    ``carry`` the yearly slope of the futures curve; ``curve_damping`` how much less, per year of
    time to expiry, a deferred month moves; ``roll_lead_sessions`` how long before the end the
    volume moves on; ``months_listed`` how far ahead contracts are listed.
    """

    root: str
    name: str
    sector: str
    group: str
    currency: str
    exchange: str
    calendar: str
    months: str
    price: float
    tick_size: float
    point_value: float
    daily_volume: float
    volatility: float
    carry: float
    curve_damping: float
    roll_lead_sessions: int
    months_listed: int
    first_listed: date
    last_trade_rule: str
    first_notice_rule: str


def generated_roots(roots: Iterable[str] | None = None) -> tuple[GeneratedRoot, ...]:
    """The markets asked for, or all of them. Raises DataError for one that is not in the table."""
    text = resources.files(__package__).joinpath(_TABLE).read_text(encoding="utf-8")
    table = {row["root"]: _read(row) for row in csv.DictReader(text.splitlines())}
    wanted = list(table) if roots is None else sorted(set(roots))
    unknown = [root for root in wanted if root not in table]
    if unknown:
        raise DataError(
            f"the generated market has no root {', '.join(unknown)}",
            hint=f"take it out of data.roots; there are {' '.join(table)}",
        )
    return tuple(table[root] for root in wanted)


def _read(row: dict[str, str]) -> GeneratedRoot:
    return GeneratedRoot(
        root=row["root"],
        name=row["name"],
        sector=row["sector"],
        group=row["group"],
        currency=row["currency"],
        exchange=row["exchange"],
        calendar=row["calendar"],
        months=row["months"],
        price=float(row["price"]),
        tick_size=float(row["tick_size"]),
        point_value=float(row["point_value"]),
        daily_volume=float(row["daily_volume"]),
        volatility=float(row["volatility"]),
        carry=float(row["carry"]),
        curve_damping=float(row["curve_damping"]),
        roll_lead_sessions=int(row["roll_lead_sessions"]),
        months_listed=int(row["months_listed"]),
        first_listed=date.fromisoformat(f"{row['first_listed']}-01"),
        last_trade_rule=row["last_trade_rule"],
        first_notice_rule=row["first_notice_rule"],
    )
