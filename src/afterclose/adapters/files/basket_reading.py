"""Read a basket file back: one that we wrote, one of TWS's own, or a trader's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.orders import Action
from afterclose.errors import UsageError

_REQUIRED = (
    "Action", "Quantity", "Symbol", "SecType", "LastTradingDayOrContractMonth", "Exchange",
    "Currency", "OrderType",
)  # fmt: skip
_READ = frozenset(
    {*_REQUIRED, "TimeInForce", "LmtPrice", "BasketTag", "Account", "OrderRef", "Multiplier"}
)
#: Columns of the published process that say nothing to TWS.
_IGNORED = frozenset({"dt", "DivPrt", "Quotation"})
_QUANTITY = re.compile(r"[1-9][0-9]{0,6}")
_EXPIRY = re.compile(r"[0-9]{6}|[0-9]{8}")
_PRICE = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")
_MULTIPLIER = re.compile(r"([0-9]{1,12}(\.[0-9]{1,6})?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketRow:
    """One order as a basket file states it. ``limit_price`` is an IB price; None without one.

    ``expiry`` has six digits for a contract month, eight for a last trading day.
    """

    line: int
    action: Action
    quantity: int
    symbol: str
    sec_type: str
    expiry: str
    exchange: str
    currency: str
    tif: str
    order_type: str
    limit_price: Decimal | None
    basket_tag: str
    account: str
    order_ref: str
    multiplier: str


def read_basket(text: str, *, source: str = "basket") -> tuple[BasketRow, ...]:
    """Read the text of a basket file, in the order of its rows.

    Columns may stand in any order, several header blocks may follow each other, and each line
    may end in a comma, as TWS itself writes them. Raises UsageError, with the line, for anything
    that is not certain: a basket is sent as a whole or not at all.
    """
    header: tuple[str, ...] = ()
    rows: list[BasketRow] = []
    for line, cells in _lines(text):
        if "Action" in cells and "Symbol" in cells:
            header = _header(cells, line=line, source=source)
        elif not header and len(cells) == 1 and cells[0].count(";") > 1:
            raise UsageError(
                f"{source}, line {line}: semicolons stand between the columns; TWS reads commas",
                hint="Excel saved it by the rules of this machine's country: take the file that "
                "afterclose wrote, or save it with commas between columns and points in numbers",
            )
        elif not header:
            raise _error(source, line, "the first line must be a header with Action and Symbol")
        else:
            rows.append(_row(header, cells, line=line, source=source))
    if not header:
        raise UsageError(f"{source} is empty", hint="was the basket written?")
    return tuple(rows)


def _lines(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        content = line.removesuffix("\r")
        if content:
            yield number, tuple(content.split(","))


def _header(cells: Sequence[str], *, line: int, source: str) -> tuple[str, ...]:
    names = tuple(cells[:-1] if not cells[-1] else cells)
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise _error(
            source, line, f"columns missing: {', '.join(missing)}; found: {', '.join(names)}"
        )
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise _error(source, line, f"columns given twice: {', '.join(doubled)}")
    return names


def _row(header: Sequence[str], cells: Sequence[str], *, line: int, source: str) -> BasketRow:
    if len(cells) == len(header) + 1 and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(header):
        raise _error(source, line, f"{len(cells)} values where the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    for name, value in row.items():
        if value != value.strip() or not value.isascii() or not value.isprintable() or '"' in value:
            raise _error(source, line, f"{name} cannot be read by TWS: {value!r}")
        if value and name not in _READ and name not in _IGNORED:
            raise _error(source, line, f"column {name} is not known here, and has {value!r}")
    if row["SecType"] != "FUT":
        raise _error(source, line, f"SecType must be FUT, was {row['SecType']!r}")
    return _order(row, line=line, source=source)


def _order(row: Mapping[str, str], *, line: int, source: str) -> BasketRow:
    def take(name: str, pattern: re.Pattern[str]) -> str:
        value = row.get(name, "")
        if pattern.fullmatch(value) is None:
            raise _error(source, line, f"{name} cannot be read: {value!r}")
        return value

    limited = row["OrderType"] == "LMT"
    if not limited and row.get("LmtPrice"):
        raise _error(source, line, f"a limit price on an order of type {row['OrderType']!r}")
    return BasketRow(
        line=line,
        action=Action(take("Action", re.compile("BUY|SELL"))),
        quantity=int(take("Quantity", _QUANTITY)),
        symbol=take("Symbol", re.compile(".+")),
        sec_type=row["SecType"],
        expiry=take("LastTradingDayOrContractMonth", _EXPIRY),
        exchange=take("Exchange", re.compile(".+")),
        currency=take("Currency", re.compile("[A-Z]{3}")),
        tif=row.get("TimeInForce", ""),
        order_type=take("OrderType", re.compile("LMT|MKT|MOC")),
        limit_price=Decimal(take("LmtPrice", _PRICE)) if limited else None,
        basket_tag=row.get("BasketTag", ""),
        account=row.get("Account", ""),
        order_ref=row.get("OrderRef", ""),
        multiplier=take("Multiplier", _MULTIPLIER),
    )


def _error(source: str, line: int, message: str) -> UsageError:
    return UsageError(
        f"{source}, line {line}: {message}",
        hint="a basket is read whole or not at all: correct the line, or write the file again",
    )
