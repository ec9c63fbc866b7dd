"""A roll by hand: the two orders that take a position from one month into another. Pure.

The close is exactly the account's position, as flattening has it; the open is as large, on the
other side, and for the same models. Never is more opened than is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from afterclose.domain.contracts import (
    MONTH_CODES,
    ContractMonth,
    ContractSpec,
    FuturesContract,
    MappedContract,
    Session,
    read_symbol,
)
from afterclose.domain.market import Quote
from afterclose.domain.orders import Action, BasketOrder, OrderState, TradeKind
from afterclose.domain.placing import at_market
from afterclose.domain.sending import roll_ref
from afterclose.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The two orders of a roll, and whose position each moves, by reference."""

    close: BasketOrder
    opens: BasketOrder
    parts: Mapping[str, Mapping[str, int]]


def month_after(spec: ContractSpec, month: ContractMonth) -> ContractMonth:
    """Return the next month in which the root delivers. Raises UsageError where that is unknown."""
    letters = spec.months.split()[0] if spec.months else ""
    listed = [MONTH_CODES.index(letter) + 1 for letter in letters if letter in MONTH_CODES]
    if not listed:
        raise UsageError(
            f"the months of {spec.root} are not known", hint="name the contract with --to"
        )
    later = [m for m in listed if m > month.month]
    return (
        ContractMonth(month.year, later[0]) if later else ContractMonth(month.year + 1, listed[0])
    )


def target(text: str, left: FuturesContract, spec: ContractSpec, *, on: Session) -> MappedContract:
    """Return the contract to roll into: the one named, else the next month of the root.

    Raises UsageError for another root, or for the month that is left.
    """
    wanted = read_symbol(text, on=on) if text else None
    contract = wanted or FuturesContract(left.root, month_after(spec, left.month))
    if contract.root != left.root or contract.month <= left.month:
        raise UsageError(
            f"{left} cannot be rolled into {contract}",
            hint=f"name a later month of {left.root}, as in --to {left.root}H27",
        )
    return MappedContract(contract=contract, spec=spec)


def legs(
    close: BasketOrder,
    owners: Mapping[str, int],
    into: MappedContract,
    quote: Quote | None,
    *,
    ticks: int,
    past: Mapping[str, OrderState],
    desk: str,
) -> Legs | None:
    """Make both orders from the one that would flatten; None without a quote to price the open.

    ``owners`` is what each model is rid of once the close has filled; it gets as much in the new
    month.
    """
    action = Action.of(-close.signed)
    price = _limit(into.spec, quote, action, ticks)
    if price is None and not at_market(close.order_type):
        return None
    reference = close.reference_price if price is None else price

    def named(contract: FuturesContract, *, closes: bool) -> str:
        attempt = 1
        while True:
            ref = roll_ref(
                desk=desk, session=close.session, contract=contract, closes=closes, attempt=attempt
            )
            if ref not in past:
                return ref
            attempt += 1

    close_ref = named(close.contract, closes=True)
    open_ref = named(into.contract, closes=False)
    said = f"roll by hand {close.contract} → {into.contract}"
    closing = replace(
        close,
        order_ref=close_ref,
        kind=TradeKind.ROLL_CLOSE,
        roll_pair=open_ref,
        trade_id=f"roll/{close.session.isoformat()}/{close.contract.symbol}",
        reason=said,
    )
    opening = replace(
        closing,
        order_ref=open_ref,
        mapped=into,
        action=action,
        kind=TradeKind.ROLL_OPEN,
        roll_pair=close_ref,
        limit_price=reference,
        reference_price=reference,
        held_before=0,
    )
    parts = {
        close_ref: dict(owners),
        open_ref: {model: -part for model, part in owners.items()},
    }
    return Legs(close=closing, opens=opening, parts={ref: own for ref, own in parts.items() if own})


def _limit(spec: ContractSpec, quote: Quote | None, action: Action, ticks: int) -> Decimal | None:
    """Return the market's own side, so many ticks towards being filled."""
    if quote is None:
        return None
    side = quote.bid if action is Action.SELL else quote.ask
    price = quote.price if side is None else side
    return None if price is None else spec.to_tick(price) + action.sign * ticks * spec.tick_size
