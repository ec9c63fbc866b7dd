"""Trading hours: when the session of a day opens and closes, in the market's own zone.

One interval per session. Lunch breaks in Asia and the split grain day are left out: an order that
arrives in such a break is filled here and would wait on the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from afterclose.tws_sim.days import FRIDAY, Region, closed_days


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours:
    """The pattern of one session; ``opens`` lies on the day before where ``eve`` is set."""

    zone: str
    opens: time
    closes: time
    eve: bool
    liquid_from: time
    liquid_to: time
    region: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHours:
    """One session: its date (the day it closes) and its UTC opening and closing."""

    session: date
    opens: datetime
    closes: datetime

    def contains(self, at: datetime) -> bool:
        """Say whether the market is open at an instant."""
        return self.opens <= at < self.closes


def _at(text: str) -> time:
    return time(int(text[:2]), int(text[2:]))


def _hours(
    zone: str, opens: str, closes: str, liquid: str, region: Region, *, eve: bool = False
) -> TradingHours:
    liquid_from, liquid_to = liquid.split("-")
    return TradingHours(
        zone=zone,
        opens=_at(opens),
        closes=_at(closes),
        eve=eve,
        liquid_from=_at(liquid_from),
        liquid_to=_at(liquid_to),
        region=region,
    )


_CHICAGO, _NEW_YORK, _LONDON, _FRANKFURT = (
    "America/Chicago",
    "America/New_York",
    "Europe/London",
    "Europe/Berlin",
)
_US, _EU, _GB, _AS = Region.UNITED_STATES, Region.EUROPE, Region.BRITAIN, Region.ASIA

HOURS: Mapping[str, TradingHours] = MappingProxyType(
    {
        "canola": _hours(_NEW_YORK, "2000", "1420", "0930-1420", Region.CANADA, eve=True),
        "cash": _hours(_NEW_YORK, "1715", "1700", "1715-1700", _US, eve=True),
        "cfe": _hours(_CHICAGO, "1700", "1600", "0830-1500", _US, eve=True),
        "cocoa": _hours(_NEW_YORK, "0445", "1330", "0445-1330", _US),
        "coffee": _hours(_NEW_YORK, "0415", "1330", "0415-1330", _US),
        "cotton": _hours(_NEW_YORK, "2100", "1420", "0800-1420", _US, eve=True),
        "eurex": _hours(_FRANKFURT, "0110", "2200", "0900-1730", _EU),
        "euronext": _hours(_FRANKFURT, "0800", "2200", "0900-1730", _EU),
        "globex": _hours(_CHICAGO, "1700", "1600", "0830-1500", _US, eve=True),
        "grains": _hours(_CHICAGO, "1900", "1320", "0830-1320", _US, eve=True),
        "hkfe": _hours("Asia/Hong_Kong", "0915", "1630", "0915-1630", _AS),
        "ice_energy": _hours(_LONDON, "0100", "2300", "0800-1930", _GB),
        "ice_gas": _hours(_LONDON, "0700", "1700", "0700-1700", _GB),
        "ice_us_dollar": _hours(_NEW_YORK, "2000", "1700", "0800-1700", _US, eve=True),
        "krx": _hours("Asia/Seoul", "0845", "1545", "0845-1545", _AS),
        "liffe_gilt": _hours(_LONDON, "0800", "1800", "0800-1615", _GB),
        "liffe_index": _hours(_LONDON, "0100", "2100", "0800-1630", _GB),
        "liffe_sugar": _hours(_LONDON, "0845", "1755", "0845-1755", _GB),
        "livestock": _hours(_CHICAGO, "0830", "1305", "0830-1305", _US),
        "lumber": _hours(_CHICAGO, "0900", "1505", "0900-1505", _US),
        "milk": _hours(_CHICAGO, "1700", "1600", "0830-1310", _US, eve=True),
        "montreal": _hours(_NEW_YORK, "2000", "1630", "0930-1630", Region.CANADA, eve=True),
        "orange_juice": _hours(_NEW_YORK, "0800", "1400", "0800-1400", _US),
        "sfe": _hours("Australia/Sydney", "1710", "1630", "0950-1630", _AS, eve=True),
        "sgx": _hours("Asia/Singapore", "0830", "1730", "0900-1700", _AS),
        "sgx_bond": _hours("Asia/Singapore", "0735", "1715", "0830-1500", _AS),
        "sugar": _hours(_NEW_YORK, "0330", "1300", "0330-1300", _US),
    }
)

_LONGEST_BREAK_DAYS = 12


@lru_cache(maxsize=8192)
def is_session(hours: TradingHours, day: date) -> bool:
    """Say whether the rules of the market have a session on a day."""
    return day.weekday() <= FRIDAY and day not in closed_days(hours.region, day.year)


@lru_cache(maxsize=8192)
def session_hours(hours: TradingHours, session: date) -> SessionHours:
    """Return the opening and closing of the session of a day, in UTC."""
    zone = ZoneInfo(hours.zone)
    first = session - timedelta(days=1) if hours.eve else session
    return SessionHours(
        session=session,
        opens=datetime.combine(first, hours.opens, zone).astimezone(UTC),
        closes=datetime.combine(session, hours.closes, zone).astimezone(UTC),
    )


def session_at(hours: TradingHours, at: datetime) -> SessionHours:
    """Return the session that is open at an instant, else the next one to open."""
    day = at.astimezone(ZoneInfo(hours.zone)).date()
    for _ in range(_LONGEST_BREAK_DAYS):
        if is_session(hours, day):
            found = session_hours(hours, day)
            if at < found.closes:
                return found
        day += timedelta(days=1)
    raise ValueError(f"no session within {_LONGEST_BREAK_DAYS} days of {at.isoformat()}")


def session_before(hours: TradingHours, session: date) -> date:
    """Return the session before a day."""
    day = session - timedelta(days=1)
    while not is_session(hours, day):
        day -= timedelta(days=1)
    return day


@lru_cache(maxsize=1024)
def describe(hours: TradingHours, first: date, *, days: int, zone: str, liquid: bool) -> str:
    """Write hours as contract details carry them, in the zone that the details name.

    Example: ``20261122:1700-20261123:1600;20261225:CLOSED``.
    """
    parts = []
    for offset in range(days):
        day = first + timedelta(days=offset)
        if not is_session(hours, day):
            parts.append(f"{day:%Y%m%d}:CLOSED")
            continue
        regular = session_hours(hours, day)
        opens, closes = regular.opens, regular.closes
        if liquid and hours.liquid_from < hours.liquid_to:
            own = ZoneInfo(hours.zone)
            opens = datetime.combine(day, hours.liquid_from, own)
            closes = datetime.combine(day, hours.liquid_to, own)
        shown = [f"{at.astimezone(ZoneInfo(zone)):%Y%m%d:%H%M}" for at in (opens, closes)]
        parts.append("-".join(shown))
    return ";".join(parts)
