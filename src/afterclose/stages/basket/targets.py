"""Targets: what the desk trades for one model tonight, and how much.

Order = model position after tonight's orders − position held for that model by the desk's own
records − what is already working. Tonight's decisions explain entries, exits and rolls; whatever
else differs is *catch-up*, and only catch-up that closes goes without being asked for.

Sizes: an exit trades all that is held for the model, a reduction the model's share of it, the open
leg of a roll what its close leg closes; only entries have the model's own (scaled) size. No order
flips a position unless it is a reversal, named as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.findings import Finding
from afterclose.domain.orders import ExcludedTrade, ModelTrade, TradeKind
from afterclose.stages.basket import findings as say


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBook:
    """One model against the desk. All positions signed; ``working`` is signed and remaining.

    ``scale`` is account contracts per model contract. ``closes`` are last closes in vendor units
    for contracts that only the desk still knows.
    """

    model: str
    session: Session
    trades: tuple[ModelTrade, ...]
    target: Mapping[FuturesContract, int]
    held: Mapping[FuturesContract, int]
    working: Mapping[FuturesContract, int]
    closes: Mapping[FuturesContract, Decimal]
    scale: Decimal = Decimal(1)
    catch_up_entries: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTrade:
    """One trade of the desk for one model: signed account contracts."""

    trade: ModelTrade
    quantity: int
    held_before: int
    catch_up: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTrades:
    """What goes into the basket, and what does not and why."""

    trades: tuple[DeskTrade, ...]
    excluded: tuple[ExcludedTrade, ...]


def desk_trades(book: ModelBook) -> DeskTrades:
    """Decide every contract that the model or the desk knows. Pure."""
    decided = {t.contract: t for t in book.trades}
    known = {*decided, *book.target, *book.held}
    closing: list[DeskTrade] = []
    opening: list[DeskTrade] = []
    excluded: list[ExcludedTrade] = []
    for contract in sorted(known):
        trade = decided.get(contract)
        if trade is not None and trade.kind is TradeKind.ROLL_OPEN:
            continue
        made, left_out = _decide(book, contract, trade)
        (closing if made and made.trade.kind.closes else opening).extend([made] if made else [])
        excluded.extend(left_out)
    closed = {t.trade.contract: t.quantity for t in closing}
    for trade in book.trades:
        if trade.kind is TradeKind.ROLL_OPEN:
            made, left_out = _roll_open(book, trade, closed)
            opening.extend([made] if made else [])
            excluded.extend(left_out)
    return DeskTrades(trades=(*closing, *opening), excluded=tuple(excluded))


_Decision = tuple[DeskTrade | None, list[ExcludedTrade]]


def _decide(book: ModelBook, contract: FuturesContract, trade: ModelTrade | None) -> _Decision:
    target = book.target.get(contract, 0)
    if target == 0:
        return _close_all(book, contract, trade)
    if trade is None:
        return _catch_up(book, contract, target)
    if trade.kind is TradeKind.REDUCE:
        return _reduce(book, trade)
    return _open(book, trade, target)


def _close_all(book: ModelBook, contract: FuturesContract, trade: ModelTrade | None) -> _Decision:
    """Trade away all that is held for the model, whatever the model's own size was."""
    held, working = book.held.get(contract, 0), book.working.get(contract, 0)
    if held == 0:
        return None, [_excluded(trade, say.never_opened(trade))] if trade else []
    quantity = -(held + working)
    if quantity == 0:
        return None, [_excluded(trade, say.already_working(trade))] if trade else []
    source = trade or _catch_up_trade(book, contract, TradeKind.EXIT, after=0)
    if quantity * held > 0:
        return None, [_excluded(source, say.overworked(source, held=held, working=working))]
    notes = () if trade else (say.catch_up_close(source, held=held),)
    return _desk_trade(source, quantity, held, catch_up=trade is None, findings=notes), []


def _catch_up(book: ModelBook, contract: FuturesContract, target: int) -> _Decision:
    """The model did nothing tonight, yet the desk holds something else than the model."""
    held, working = book.held.get(contract, 0), book.working.get(contract, 0)
    wanted = _scaled(target, book.scale)
    if held * wanted < 0:
        return _close_wrong_way(book, contract, held, working)
    missing = wanted - held - working
    if missing == 0:
        return None, []
    if missing * wanted < 0:
        kind = TradeKind.EXIT if wanted == 0 else TradeKind.REDUCE
        trade = _catch_up_trade(book, contract, kind, after=target)
        note = (say.catch_up_close(trade, held=held),)
        return _desk_trade(trade, missing, held, catch_up=True, findings=note), []
    trade = _catch_up_trade(book, contract, TradeKind.ENTRY, after=target)
    if not book.catch_up_entries:
        return None, [_excluded(trade, say.entry_not_caught_up(trade, held=held, target=wanted))]
    return _desk_trade(trade, missing, held, catch_up=True), []


def _close_wrong_way(
    book: ModelBook, contract: FuturesContract, held: int, working: int
) -> _Decision:
    trade = _catch_up_trade(book, contract, TradeKind.EXIT, after=0)
    if held + working == 0:
        return None, []
    note = (say.catch_up_close(trade, held=held),)
    return _desk_trade(trade, -(held + working), held, catch_up=True, findings=note), []


def _reduce(book: ModelBook, trade: ModelTrade) -> _Decision:
    """Trade the model's fraction of what is held."""
    held, working = book.held.get(trade.contract, 0), book.working.get(trade.contract, 0)
    if held == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    share = Decimal(abs(trade.delta)) / abs(trade.position_before)
    cut = int((abs(held) * share).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    cut = max(0, cut - (abs(working) if working * held < 0 else 0))
    if cut == 0:
        return None, [_excluded(trade, say.already_working(trade))]
    return _desk_trade(trade, -cut if held > 0 else cut, held), []


def _open(book: ModelBook, trade: ModelTrade, target: int) -> _Decision:
    """Entry, add or reversal: at most what tonight explains, and never what is there already."""
    contract = trade.contract
    held, working = book.held.get(contract, 0), book.working.get(contract, 0)
    wanted = _scaled(target, book.scale)
    if wanted == 0:
        return None, [_excluded(trade, say.too_small(trade, scale=book.scale))]
    if trade.kind is TradeKind.ADD and held == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    if held * wanted < 0 and trade.kind is not TradeKind.REVERSAL:
        return _close_wrong_way(book, contract, held, working)
    missing = wanted - held - working
    if missing * wanted <= 0:
        return None, [_excluded(trade, say.already_held(trade, held=held, working=working))]
    if trade.kind is TradeKind.ADD:
        step = abs(wanted - _scaled(trade.position_before, book.scale))
        missing = min(abs(missing), step) * (1 if missing > 0 else -1)
    return _desk_trade(trade, missing, held), []


def _roll_open(
    book: ModelBook, trade: ModelTrade, closed: Mapping[FuturesContract, int]
) -> _Decision:
    """Open in the new month what the close leg closes in the old one, and nothing else."""
    closing = closed.get(trade.roll_partner, 0) if trade.roll_partner else 0
    if closing == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    return _desk_trade(trade, -closing, book.held.get(trade.contract, 0)), []


def file_trades(trades: Iterable[ModelTrade]) -> DeskTrades:
    """Take each trade as the file has it: no desk, no scale, the file's own positions."""
    return DeskTrades(
        trades=tuple(_desk_trade(trade, trade.delta, trade.position_before) for trade in trades),
        excluded=(),
    )


def _desk_trade(
    trade: ModelTrade,
    quantity: int,
    held: int,
    *,
    catch_up: bool = False,
    findings: tuple[Finding, ...] = (),
) -> DeskTrade:
    return DeskTrade(
        trade=trade, quantity=quantity, held_before=held, catch_up=catch_up, findings=findings
    )


def _catch_up_trade(
    book: ModelBook, contract: FuturesContract, kind: TradeKind, *, after: int
) -> ModelTrade:
    return ModelTrade(
        model=book.model,
        contract=contract,
        decided_on=book.session,
        kind=kind,
        position_before=after,
        position_after=after,
        price=book.closes.get(contract),
        reason="catch-up",
    )


def _excluded(trade: ModelTrade, finding: Finding) -> ExcludedTrade:
    return ExcludedTrade(
        subject=trade.contract.symbol,
        model=trade.model,
        quantity=trade.delta,
        findings=(finding,),
        trade=trade,
    )


def _scaled(quantity: int, scale: Decimal) -> int:
    """Account contracts of a model quantity, towards zero: an allocation is never exceeded."""
    return int((quantity * scale).to_integral_value(rounding=ROUND_DOWN))


def without_contracts(
    trades: DeskTrades, blocked: Mapping[FuturesContract, tuple[Finding, ...]]
) -> DeskTrades:
    """Move the trades of blocked contracts to the excluded ones, with the reasons."""
    kept, excluded = [], list(trades.excluded)
    for made in trades.trades:
        reasons = blocked.get(made.trade.contract)
        if reasons is None:
            kept.append(made)
        else:
            out = _excluded(made.trade, reasons[0])
            excluded.append(replace(out, quantity=made.quantity, findings=reasons))
    return DeskTrades(trades=tuple(kept), excluded=tuple(excluded))
