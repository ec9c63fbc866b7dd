"""What the gateway refuses, with TWS's codes and words. Each rule is a function of its own.

A refusal ends a *new* order; on a change of a working order it leaves that order as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from afterclose.tws_sim.account import MissingRateError
from afterclose.tws_sim.contracts import CashPair, Instrument, Listing
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.matching import (
    CLOSING_TYPES,
    LIMITED_TYPES,
    STOP_TYPES,
    SUPPORTED_ALGOS,
    SUPPORTED_TYPES,
    TOUCH_TYPES,
    through_market_percent,
)
from afterclose.tws_sim.orders import Action, Order, Ticket
from afterclose.tws_sim.prices import on_grid

_MOST_WORKING_ORDERS = 15
_TIFS = frozenset({"DAY", "GTC", "GTD", "IOC", "FOK", "OPG"})
_REJECTED = "Order rejected - reason:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an order is not taken: TWS's code and text."""

    code: int
    text: str

    @property
    def is_rejection(self) -> bool:
        """Whether the order got as far as the broker, and shows up as Inactive."""
        return self.code == 201  # noqa: PLR2004 - TWS's own number


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An order about to be taken; ``replaces`` is the working order it would change."""

    gateway: Gateway
    client_id: int
    instrument: Instrument
    ticket: Ticket
    replaces: Order | None


def first_refusal(entry: Entry) -> Refusal | None:
    """Return the first reason not to take an order, None if it may be taken."""
    for rule in _RULES:
        refusal = rule(entry)
        if refusal is not None:
            return refusal
    return None


def _account(entry: Entry) -> Refusal | None:
    stated = entry.ticket.account
    if stated and stated != entry.gateway.account.name:
        return Refusal(code=321, text=_invalid(f"Invalid account code '{stated}'."))
    return None


def _form(entry: Entry) -> Refusal | None:
    ticket = entry.ticket
    if ticket.action not in {"BUY", "SELL"}:
        return Refusal(code=321, text=_invalid(f"Invalid order action '{ticket.action}'."))
    if ticket.quantity <= 0:
        return Refusal(code=434, text="The order size cannot be zero.")
    if ticket.quantity % 1 and isinstance(entry.instrument, Listing):
        return Refusal(code=321, text=_invalid("Fractional quantities are not traded here."))
    if ticket.oca_group or ticket.parent_id:
        # Taking them as single orders would trade what the client wants to have cancelled.
        text = "Attached and one-cancels-all orders are not served by this gateway."
        return Refusal(code=321, text=_invalid(text))
    return None


def _type(entry: Entry) -> Refusal | None:
    ticket = entry.ticket
    if ticket.order_type not in SUPPORTED_TYPES:
        text = "Unsupported order type for this exchange and security type."
        return Refusal(code=387, text=text)
    if ticket.algo and ticket.algo not in SUPPORTED_ALGOS:
        return Refusal(code=442, text=f"Unknown algo strategy: {ticket.algo}")
    if ticket.order_type in LIMITED_TYPES and ticket.limit_price is None:
        return Refusal(code=463, text="You must enter a valid price.")
    if ticket.order_type in STOP_TYPES | TOUCH_TYPES and ticket.aux_price is None:
        return Refusal(code=463, text="You must enter a valid price.")
    return None


def _life(entry: Entry) -> Refusal | None:
    ticket = entry.ticket
    if ticket.tif not in _TIFS:
        text = "The time-in-force is invalid in combination with this exchange and security type."
        return Refusal(code=111, text=text)
    if ticket.order_type in CLOSING_TYPES and ticket.tif != "DAY":
        text = "The Tif option should be set to DAY for MOC and LOC orders."
        return Refusal(code=113, text=text)
    if ticket.tif == "GTD" and ticket.good_till is None:
        return Refusal(code=117, text="The date, time, or time-zone entered is invalid.")
    return None


def _scripted(entry: Entry) -> Refusal | None:
    reason = entry.gateway.scenario.reject.get(entry.instrument.root)
    return None if reason is None else Refusal(code=201, text=f"{_REJECTED}{reason}")


def _on_tick(entry: Entry) -> Refusal | None:
    ticket, tick = entry.ticket, entry.instrument.tick
    prices = []
    if ticket.order_type in LIMITED_TYPES:
        prices.append(ticket.limit_price)
    if ticket.order_type in STOP_TYPES | TOUCH_TYPES:
        prices.append(ticket.aux_price)
    for price in prices:
        if price is not None and on_grid(price, tick) != price:
            text = "The price does not conform to the minimum price variation for this contract."
            return Refusal(code=110, text=text)
    return None


def _alive(entry: Entry) -> Refusal | None:
    item = entry.instrument
    if isinstance(item, CashPair):
        return None
    session = entry.gateway.prices.session(item, entry.gateway.now).session
    if session > item.last_trade_date:
        return Refusal(code=201, text=f"{_REJECTED}This contract has expired.")
    return None


def _delivery(entry: Entry) -> Refusal | None:
    item, gateway = entry.instrument, entry.gateway
    if isinstance(item, CashPair) or not gateway.scenario.closing_only:
        return None
    begins: date | None = item.close_only_from
    session = gateway.prices.session(item, gateway.now).session
    if begins is None or session < begins or not _opens(entry):
        return None
    text = (
        f"{_REJECTED}The contract is close to physical delivery; only closing orders are accepted."
    )
    return Refusal(code=201, text=text)


def _opens(entry: Entry) -> bool:
    held = entry.gateway.account.quantity(entry.instrument.con_id)
    change = Action(entry.ticket.action).sign * entry.ticket.quantity
    return abs(held + change) > abs(held) or held * (held + change) < 0


def _sizes(entry: Entry) -> Refusal | None:
    limit = entry.gateway.scenario.size_limit
    if limit and entry.ticket.quantity > limit:
        text = f"The order size {entry.ticket.quantity} exceeds the Size Limit of {limit}."
        return Refusal(code=383, text=text)
    most = entry.gateway.scenario.value_limit
    price = entry.ticket.limit_price or entry.gateway.value.price(entry.instrument)
    value = abs(price) * entry.ticket.quantity * entry.instrument.point_value
    if most and value > most:
        text = f"The order value estimate of {value:.2f} exceeds the Total Value Limit of {most}."
        return Refusal(code=451, text=text)
    return None


def _price_distance(entry: Entry) -> Refusal | None:
    ticket, gateway = entry.ticket, entry.gateway
    if ticket.order_type not in LIMITED_TYPES or ticket.limit_price is None:
        return None
    quote = gateway.prices.quote(entry.instrument, gateway.now)
    if quote is None:
        return None
    through = through_market_percent(Action(ticket.action), ticket.limit_price, quote)
    precaution = Decimal(str(gateway.scenario.price_limit_percent))
    if precaution and abs(through) > precaution and not ticket.override_percentage:
        text = f"The price exceeds the percentage constraint of {precaution}%."
        return Refusal(code=163, text=text)
    band = Decimal(str(gateway.scenario.price_band_percent))
    if band and through > band:
        text = f"{_REJECTED}The limit price is too far through the market."
        return Refusal(code=201, text=text)
    return None


def _crowd(entry: Entry) -> Refusal | None:
    if entry.replaces is not None or entry.ticket.what_if:
        return None
    side = (entry.instrument.con_id, entry.ticket.action)
    if entry.gateway.exchange.working_on[side] >= _MOST_WORKING_ORDERS:
        text = (
            f"{_REJECTED}The account has {_MOST_WORKING_ORDERS} working orders on this side of "
            f"{entry.instrument.label}, the most allowed."
        )
        return Refusal(code=201, text=text)
    return None


def _funds(entry: Entry) -> Refusal | None:
    gateway, item = entry.gateway, entry.instrument
    if isinstance(item, CashPair):
        return None
    try:
        totals = gateway.value.totals()
        change = Action(entry.ticket.action).sign * entry.ticket.quantity
        after = gateway.account.margin(gateway.value.rate, {item.con_id: (item, change)})
    except MissingRateError as error:
        return Refusal(code=201, text=f"{_REJECTED}{error}")
    if not gateway.scenario.margin_check or entry.ticket.what_if or after <= totals.initial_margin:
        return None
    if after > totals.net_liquidation:
        base = gateway.account.base
        text = (
            f"{_REJECTED}We are unable to accept your order. Your Available Funds are insufficient "
            f"to cover the change in margin. Equity {totals.net_liquidation:.2f} {base}, "
            f"initial margin {after:.2f} {base}."
        )
        return Refusal(code=201, text=text)
    return None


def _invalid(cause: str) -> str:
    return f"Error validating request.-'bH' : cause - {cause}"


_RULES: tuple[Callable[[Entry], Refusal | None], ...] = (
    *(_account, _form, _type, _life, _on_tick, _scripted, _alive, _delivery),
    *(_sizes, _price_distance, _crowd, _funds),
)
