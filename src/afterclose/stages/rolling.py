"""A roll by hand: the two orders that take a position from one month into another. Pure.

The close is exactly the account's position, as flattening has it; the open is as large, on the
other side, and for the same models. A roll that was begun before (a crash, a limit that filled in
part) is gone on with: what it closed and did not open is opened with it, what it opened too early
is left out. Never is more opened than is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
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
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.domain.placing import at_market
from afterclose.domain.sending import DESK_MODEL, roll_ref
from afterclose.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An earlier roll of a root that is gone on with: both its legs, as they were last sent.

    ``missing`` is what is still to be opened, by owner, signed: of the other sign where it opened
    before it closed as much. ``whole``: both filled to their end, and another roll is a new one.
    """

    close: BasketOrder
    opens: BasketOrder
    missing: Mapping[str, int] = field(default_factory=dict)
    whole: bool = False

    @property
    def waits(self) -> bool:
        """Whether it closed more than it opened."""
        return sum(self.missing.values()) * self.opens.signed > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The orders of a roll, and whose position each moves, by reference.

    ``close`` is None where the old month was closed before, ``opens`` where nothing more is to be
    opened.
    """

    close: BasketOrder | None
    opens: BasketOrder | None
    parts: Mapping[str, Mapping[str, int]]

    @property
    def orders(self) -> tuple[BasketOrder, ...]:
        """Those that there are, the closing one first."""
        return tuple(leg for leg in (self.close, self.opens) if leg is not None)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LegInputs:
    """What both orders are made from.

    ``close`` is the order that would flatten the old month, None where nothing is held there;
    ``owners`` is what each model is rid of once it has filled. ``past`` are names that are taken.
    """

    desk: str
    account: str
    session: Session
    left: FuturesContract
    into: MappedContract
    close: BasketOrder | None
    owners: Mapping[str, int]
    quote: Quote | None
    order_type: str
    ticks: int
    past: Collection[str]
    begun: Begun | None = None


def legs(inputs: LegInputs) -> Legs | None:
    """Make the orders of a roll; None without a quote to price the one that opens.

    Each model gets in the new month what it gives, and gave before, in the old one.
    """
    begun, into, close = inputs.begun, inputs.into.contract, inputs.close
    close_ref = _free(inputs, inputs.left, closes=True) if close is not None else ""
    given = 0 if close is None else close.signed
    missing = {} if begun is None else begun.missing
    signed = sum(missing.values()) - given
    along = (begun is not None and begun.waits) if close is None else signed * given < 0
    open_ref = _free(inputs, into, closes=False) if along else ""
    parts: dict[str, Mapping[str, int]] = {}
    closing = opening = None
    if close is not None:
        closing = replace(
            close,
            order_ref=close_ref,
            kind=TradeKind.ROLL_CLOSE,
            roll_pair=open_ref or (begun.opens.order_ref if begun else ""),
            replaces=begun.close.order_ref if begun and not begun.whole else "",
            trade_id=f"roll/{inputs.session.isoformat()}/{inputs.left.symbol}",
            reason=_said(inputs),
        )
        parts[close_ref] = dict(inputs.owners)
    if along:
        opening = _opening(inputs, open_ref, signed, close_ref)
        if opening is None:
            return None
        models = {*inputs.owners, *missing} - {DESK_MODEL}
        moved = {m: missing.get(m, 0) - inputs.owners.get(m, 0) for m in sorted(models)}
        parts[open_ref] = {model: part for model, part in moved.items() if part}
    return Legs(close=closing, opens=opening, parts={ref: own for ref, own in parts.items() if own})


def _said(inputs: LegInputs) -> str:
    return f"roll by hand {inputs.left} → {inputs.into.contract}"


def _opening(inputs: LegInputs, ref: str, signed: int, close_ref: str) -> BasketOrder | None:
    action, begun = Action.of(signed), inputs.begun
    price = _limit(inputs.into.spec, inputs.quote, action, inputs.ticks)
    if price is None and at_market(inputs.order_type):  # a figure for the eye alone
        before = inputs.close or (begun.opens if begun is not None else None)
        price = before.reference_price if before is not None else None
    if price is None:
        return None
    return BasketOrder(
        order_ref=ref,
        model=DESK_MODEL,
        mapped=inputs.into,
        action=action,
        quantity=abs(signed),
        kind=TradeKind.ROLL_OPEN,
        limit_price=price,
        account=inputs.account,
        session=inputs.session,
        trade_id=f"roll/{inputs.session.isoformat()}/{inputs.left.symbol}",
        model_quantity=abs(signed),
        held_before=0,
        reference_price=price,
        order_type=inputs.order_type,
        roll_pair=close_ref or (begun.close.order_ref if begun else ""),
        replaces=begun.opens.order_ref if begun and not begun.whole else "",
        reason=_said(inputs),
    )


def _free(inputs: LegInputs, contract: FuturesContract, *, closes: bool) -> str:
    attempt = 1
    while True:
        ref = roll_ref(
            desk=inputs.desk,
            session=inputs.session,
            contract=contract,
            closes=closes,
            attempt=attempt,
        )
        if ref not in inputs.past:
            return ref
        attempt += 1


def _limit(spec: ContractSpec, quote: Quote | None, action: Action, ticks: int) -> Decimal | None:
    """Return the market's own side, so many ticks towards being filled."""
    if quote is None:
        return None
    side = quote.bid if action is Action.SELL else quote.ask
    price = quote.price if side is None else side
    return None if price is None else spec.to_tick(price) + action.sign * ticks * spec.tick_size
