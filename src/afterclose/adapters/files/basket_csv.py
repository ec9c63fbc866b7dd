"""Basket files: the CSV that the BasketTrader of TWS loads, written and read back.

TWS reads the order of the columns from the header, wants no column it does not know, no quoting
and no spaces, and takes one header block for each set of fields
(ibkrguides.com/traderworkstation/basket-fields.htm and …/manually-create-a-basket-file.htm).
The two other forms carry the columns of the published Zipline-to-TWS process, for people whose
own tools expect them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from afterclose.adapters.files.atomic import write_whole
from afterclose.adapters.files.basket_reading import BasketRow, read_basket
from afterclose.domain.contracts import Session
from afterclose.domain.orders import Action, BasketOrder
from afterclose.errors import ContractError, DataError, UsageError

__all__ = [
    "BasketForm",
    "BasketRow",
    "basket_name",
    "basket_text",
    "read_basket",
    "side_name",
    "write_basket",
]

_TWS = (
    "Action", "Quantity", "Symbol", "SecType", "LastTradingDayOrContractMonth", "Exchange",
    "Currency", "TimeInForce", "OrderType", "LmtPrice", "BasketTag", "Account", "OrderRef",
    "Multiplier",
)  # fmt: skip
_FIFTEEN = (
    "Action", "Quantity", "Symbol", "SecType", "LastTradingDayOrContractMonth", "DivPrt",
    "Exchange", "Currency", "TimeInForce", "OrderType", "LmtPrice", "BasketTag", "Account",
    "OrderRef", "Multiplier",
)  # fmt: skip
_SEVENTEEN = (
    "dt", "Action", "Quantity", "Symbol", "SecType", "LastTradingDayOrContractMonth", "DivPrt",
    "Exchange", "Quotation", "Currency", "TimeInForce", "OrderType", "LmtPrice", "BasketTag",
    "Account", "OrderRef", "Multiplier",
)  # fmt: skip

#: Order types a basket may carry, and whether they have a limit; in the order of their blocks.
_HAS_LIMIT = {"LMT": True, "MKT": False, "MOC": False}
#: IB's algorithms have no name in a basket: what is loaded by hand goes as their plain limit.
_AS_LIMIT = frozenset({"ADAPTIVE", "VWAP"})
#: The multiplier of some roots is not constant; a description may be missing.
_MAY_BE_EMPTY = frozenset({"Multiplier", "Quotation"})
_FORBIDDEN = frozenset(",;\"'")


class BasketForm(StrEnum):
    """Which columns a basket file has."""

    #: What TWS itself reads.
    TWS = "tws"
    #: The published process, final basket: adds ``DivPrt``.
    FIFTEEN = "fifteen"
    #: The published process, first basket: adds ``dt``, ``DivPrt`` and ``Quotation``.
    SEVENTEEN = "seventeen"

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in order, for orders with a limit."""
        return _COLUMNS[self]


_COLUMNS = {
    BasketForm.TWS: _TWS,
    BasketForm.FIFTEEN: _FIFTEEN,
    BasketForm.SEVENTEEN: _SEVENTEEN,
}


def basket_name(session: Session) -> str:
    """File name of the whole basket of a session: ``TWS_Basket_2026-11-20.csv``."""
    return f"TWS_Basket_{session.isoformat()}.csv"


def side_name(session: Session, action: Action) -> str:
    """File name of one side of the final basket: ``TWS_Basket_SELL_20261120.csv``."""
    return f"TWS_Basket_{action}_{session:%Y%m%d}.csv"


def basket_text(orders: Sequence[BasketOrder], *, form: BasketForm) -> str:
    """Write orders as the text of a basket file: ASCII, lines ended by a line feed.

    Rows are sorted by IB symbol, delivery and order reference, limit orders before market
    orders, each block under its own header. ``BasketTag`` repeats the order reference: TWS shows
    the tag where other reports show the reference, and either must name the one order. No orders
    give the header alone.

    Raises ContractError for a price off its tick or a blocked root, UsageError for a value that
    the file cannot carry, an order type a basket does not have, and a reference used twice.
    """
    _refuse_repeated_references(orders)
    lines: list[str] = []
    for order_type, has_limit in _HAS_LIMIT.items():
        block = sorted((o for o in orders if _type(o) == order_type), key=_sort_key)
        if block or (not orders and has_limit):
            columns = [c for c in form.columns if has_limit or c != "LmtPrice"]
            lines.append(",".join(columns))
            lines.extend(_line(order, columns) for order in block)
    others = [o for o in orders if _type(o) not in _HAS_LIMIT]
    if others:
        raise UsageError(
            f"{others[0].order_ref}: a basket has no order type {others[0].order_type!r}",
            hint=f"use one of {', '.join(_HAS_LIMIT)}",
        )
    return "".join(f"{line}\n" for line in lines)


def _type(order: BasketOrder) -> str:
    return "LMT" if order.order_type in _AS_LIMIT else order.order_type


def _sort_key(order: BasketOrder) -> tuple[str, str, str]:
    return order.mapped.spec.ib_symbol, order.contract.month.yyyymm, order.order_ref


def _refuse_repeated_references(orders: Sequence[BasketOrder]) -> None:
    seen: set[str] = set()
    for order in orders:
        if order.order_ref in seen:
            raise UsageError(
                f"two orders of the basket have the reference {order.order_ref!r}",
                hint="each order needs a reference of its own, or it cannot be followed",
            )
        seen.add(order.order_ref)


def _line(order: BasketOrder, columns: Sequence[str]) -> str:
    values = _values(order)
    for column in columns:
        _refuse_unwritable(order, column, values[column])
    return ",".join(values[column] for column in columns)


def _values(order: BasketOrder) -> dict[str, str]:
    spec = order.mapped.spec
    if spec.blocked:
        raise ContractError(
            f"{order.order_ref}: {spec.root} is blocked: {spec.blocked}",
            hint="settle the doubt in the mapping workbook",
        )
    return {
        "dt": order.session.isoformat(),
        "Action": order.action.value,
        "Quantity": str(order.quantity),
        "Symbol": spec.ib_symbol,
        "SecType": "FUT",
        "LastTradingDayOrContractMonth": order.contract.month.yyyymm,
        "DivPrt": "False",
        "Exchange": spec.ib_exchange,
        "Quotation": spec.quotation,
        "Currency": spec.currency,
        "TimeInForce": order.tif,
        "OrderType": _type(order),
        "LmtPrice": _limit_text(order) if _HAS_LIMIT[_type(order)] else "",
        "BasketTag": order.order_ref,
        "Account": order.account,
        "OrderRef": order.order_ref,
        "Multiplier": spec.multiplier,
    }


def _limit_text(order: BasketOrder) -> str:
    spec = order.mapped.spec
    if not order.limit_price.is_finite() or not spec.on_tick(order.limit_price):
        raise ContractError(
            f"{order.order_ref}: the limit {order.limit_price} is not on the tick "
            f"{spec.tick_size:f} of {order.contract}",
            hint="round the limit to the tick before the basket is written",
        )
    return spec.price_text(order.limit_price)


def _refuse_unwritable(order: BasketOrder, column: str, value: str) -> None:
    if not value and column not in _MAY_BE_EMPTY:
        raise UsageError(f"{order.order_ref}: {column} of {order.contract} is empty")
    if not value.isascii() or not value.isprintable() or _FORBIDDEN & set(value):
        raise UsageError(
            f"{order.order_ref}: {column} cannot be written to a basket: {value!r}",
            hint="TWS reads plain ASCII without commas and quotes",
        )
    if value != value.strip():
        raise UsageError(f"{order.order_ref}: {column} has spaces at its ends: {value!r}")


def write_basket(path: Path, text: str) -> None:
    """Write a basket file so that it is there whole or not at all, and read it back.

    Raises UsageError when the file cannot be written, DataError when it reads back differently.
    """
    data = text.encode("ascii")
    if write_whole(path, data) != data:
        raise DataError(
            f"the basket {path} does not read back as it was written",
            hint="do not use the file; check the disk",
        )
