"""Which exchange calendar a futures market keeps, by root where known, else by exchange."""

from __future__ import annotations

from afterclose.adapters.marketdata.generated_roots import generated_roots
from afterclose.errors import DataError

_BY_EXCHANGE = {
    "ASX": "XASX",
    "CBOE": "XCBF",
    "CBOT": "CMES",
    "CME": "CMES",
    "COMEX": "CMES",
    "EUREX": "XEUR",
    "EURONEXT": "XPAR",
    "HKFE": "XHKG",
    "ICE US": "IEPA",
    "KCBT": "CMES",
    "KRX": "XKRX",
    "ME": "XTSE",
    "NYMEX": "CMES",
    "OSE": "XTKS",
    "SFE": "XASX",
    "SGX": "XSES",
    "SGX-DT": "XSES",
}
_BY_CURRENCY = {"CHF": "XEUR", "EUR": "XEUR", "GBP": "XLON", "JPY": "XTKS"}
#: What stays open through most national holidays: the safest guess for an unknown market.
DEFAULT_CALENDAR = "CMES"


#: Names that sources have for the one American exchange whose markets keep London's calendar here.
_AMERICAN_ON_IEPA = frozenset({"ICE US", "ICEUS", "NYBOT"})


def stops_on_stock_holidays(calendar: str, exchange: str) -> bool:
    """Whether a market has no close of its own on holidays of the American stock exchanges.

    Those of CME Group and ICE US: Globex stops at noon, and the trade belongs to the next session.
    Energy in London is settled on those days like on any other.
    """
    return calendar == "CMES" or (calendar == "IEPA" and exchange.upper() in _AMERICAN_ON_IEPA)


def market_calendar(root: str, *, exchange: str, currency: str, sector: str = "") -> str:
    """The exchange_calendars code of a market.

    ICE Europe trades energy through UK holidays; its gilts, rates and FTSE keep London's.
    """
    try:
        (known,) = generated_roots([root])
    except DataError:
        pass
    else:
        return known.calendar
    if exchange.upper() == "ICE EUROPE":
        return "IEPA" if sector == "Energy" else "XLON"
    by_exchange = _BY_EXCHANGE.get(exchange.upper())
    return by_exchange or _BY_CURRENCY.get(currency, DEFAULT_CALENDAR)
