"""Between the models' wishes and the audit: terms, contracts and notes of tonight's orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from afterclose.domain.contracts import (
    ContractSpec,
    FuturesContract,
    MappedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import VendorContract
from afterclose.domain.netting import Netting
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.evening import unfinished
from afterclose.evening.books import Books, market_orders
from afterclose.evening.desk import Desk
from afterclose.evening.half_rolls import half_rolls
from afterclose.evening.rolled import after_hand_rolls, still_wanted
from afterclose.settings import SizeRule
from afterclose.stages import (
    basket,
    quality,
    signals,
)
from afterclose.stages import mapping as mapped


def model_book(desk: Desk, tonight: signals.ModelTonight, books: Books) -> basket.ModelBook:
    """Lay one model's wishes beside the desk's records for it."""
    model = next(m for m in desk.settings.models if m.name == tonight.model)
    held = books.held.get(tonight.model, {})
    missing = half_rolls(desk.ledger, tonight.session).get(tonight.model, {})
    tonight = after_hand_rolls(
        tonight,
        desk.ledger.rolled(tonight.model),
        held,
        lambda contract: desk.market.last_close(contract, tonight.session),
        missing,
    )
    closes = dict(tonight.prices)
    for contract in held:
        close = closes.get(contract)
        if close is None:  # a price of zero is a price
            close = desk.market.last_close(contract, tonight.session)
        if close is not None:
            closes[contract] = close
    return basket.ModelBook(
        model=tonight.model,
        session=tonight.session,
        trades=tonight.trades,
        target=still_wanted(tonight, held, desk.ledger.flattened(tonight.model)),
        held=held,
        working=books.working.get(tonight.model, {}),
        closes=closes,
        scale=model.scale,
        catch_up_entries=desk.settings.basket.catch_up_entries,
        done=books.done.get(tonight.model, {}),
        complete=books.complete.get(tonight.model, frozenset()),
        audit_sizes=desk.settings.audit.size is SizeRule.AUDIT,
        half_rolled=missing,
        complete_rolls=desk.settings.basket.complete_rolls,
    )


#: What adds to a position; of a reversal the audit lets the closing part go.
_ADDING = frozenset({TradeKind.ENTRY, TradeKind.ADD})


def terms(
    desk: Desk, session: Session, books: Books, contracts: Iterable[FuturesContract]
) -> basket.OrderTerms:
    """What all orders of the evening share."""
    chosen = desk.settings.basket
    moves = {c.symbol: desk.market.daily_move(c, session) for c in contracts}
    return basket.OrderTerms(
        desk=desk.settings.desk.name,
        account=desk.settings.desk.account,
        session=session,
        rounding=chosen.rounding,
        rounding_buy=chosen.rounding_buy,
        rounding_sell=chosen.rounding_sell,
        entry_offset_ticks=chosen.entry_offset_ticks,
        exit_offset_ticks=chosen.exit_offset_ticks,
        entry_offset_moves=chosen.entry_offset_moves,
        exit_offset_moves=chosen.exit_offset_moves,
        daily_moves={symbol: move for symbol, move in moves.items() if move is not None},
        past=books.states,
    )


def map_trades(
    desk: Desk, made: Iterable[basket.DeskTrades], session: Session
) -> tuple[list[basket.DeskTrades], mapped.ContractMap]:
    """Map every contract of the evening and set the unmapped ones aside, with their reasons."""
    made = list(made)
    contracts = [t.trade.contract for group in made for t in group.trades]
    found = mapped.map_contracts(contracts, desk.specs, session=session)
    doubtful = unfinished.doubtful(desk.settings.runs, desk.ledger, session)
    notes = {c: (*found.notes.get(c, ()), doubt) for c, doubt in doubtful.items()}
    found = replace(found, notes={**found.notes, **notes})
    return [basket.without_contracts(group, found.blocked) for group in made], found


def netted(desk: Desk, orders: Sequence[BasketOrder], session: Session) -> Netting:
    """Return what goes to the market of these rows."""
    chosen = desk.settings
    return market_orders(
        desk.ledger, orders, desk=chosen.desk.name, session=session, net=chosen.basket.net
    )


def order_notes(
    tonight: basket.Basket,
    contracts: mapped.ContractMap,
    without_bar: Mapping[str, Finding],
    seen: quality.BarQuality,
    barred: Mapping[str, Sequence[Finding]] | None = None,
) -> dict[str, tuple[Finding, ...]]:
    """Gather what is known against each order before the gateway is asked.

    A market without tonight's bar blocks its own openings; its closings go, and show it. What looks
    wrong in the bars of a market is on each of its orders. A model that is ``barred`` adds nothing:
    what closes, and rolls, which only carry on, go.
    """
    notes: dict[str, tuple[Finding, ...]] = {}
    for order in tonight.orders:
        found = [*tonight.notes.get(order.order_ref, ())]
        found.extend(contracts.notes.get(order.contract, ()))
        found.extend(seen.of(order.contract))
        finding = without_bar.get(order.contract.root)
        if finding is not None:
            severity = Severity.WARN if order.kind.closes else Severity.BLOCK
            found.append(replace(finding, severity=severity, subject=order.contract.symbol))
        for finding in (barred or {}).get(order.model, ()):
            severity = Severity.BLOCK if order.kind in _ADDING else Severity.WARN
            found.append(replace(finding, severity=severity, subject=order.contract.symbol))
        notes[order.order_ref] = tuple(found)
    return notes


def vendor_contracts(
    desk: Desk, orders: Iterable[BasketOrder]
) -> dict[FuturesContract, VendorContract]:
    """What the data vendor knows of tonight's contracts."""
    found = {o.contract: desk.market.vendor_contract(o.contract) for o in orders}
    return {contract: known for contract, known in found.items() if known is not None}


def held_contracts(
    specs: Mapping[RootSymbol, ContractSpec], contracts: Iterable[FuturesContract]
) -> tuple[MappedContract, ...]:
    """Map the contracts that the desk holds, leaving out what has no facts."""
    return tuple(
        MappedContract(contract=c, spec=specs[c.root]) for c in contracts if c.root in specs
    )
