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
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from afterclose.domain.contracts import FuturesContract, Session
from afterclose.domain.findings import Finding
from afterclose.domain.orders import ExcludedTrade, ModelTrade, TradeKind
from afterclose.stages.basket import findings as say


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBook:
    """One model against the desk. All positions signed; ``working`` is signed and remaining.

    ``scale`` is account contracts per model contract. ``closes`` are last closes in vendor units
    for contracts that only the desk still knows. ``done`` is the part of ``held`` that orders of
    this same session traded (signed), ``complete`` where one that opened was filled to its end:
    a second run of an evening goes on from them. ``half_rolled`` is what rolls of earlier evenings
    closed and did not open again (signed); ``complete_rolls``: it is opened now. ``audit_sizes``:
    entries have the audit's size, so a desk that holds more than the model is meant to.
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
    done: Mapping[FuturesContract, int] = field(default_factory=dict)
    complete: frozenset[FuturesContract] = frozenset()
    audit_sizes: bool = False
    half_rolled: Mapping[FuturesContract, int] = field(default_factory=dict)
    complete_rolls: bool = True


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
            (closing if made and made.trade.kind.closes else opening).extend([made] if made else [])
            excluded.extend(left_out)
    return DeskTrades(trades=(*closing, *opening), excluded=tuple(excluded))


_Decision = tuple[DeskTrade | None, list[ExcludedTrade]]


def _decide(book: ModelBook, contract: FuturesContract, trade: ModelTrade | None) -> _Decision:
    target, held = book.target.get(contract, 0), book.held.get(contract, 0)
    if target == 0:
        return _close_all(book, contract, trade)
    if trade is None:
        return _catch_up(book, contract, target)
    if held * target < 0 and not _may_reverse(book, trade, target):
        made, left_out = _catch_up(book, contract, target)
        return made, [*left_out, _excluded(trade, say.other_way_first(trade, held=held))]
    if trade.kind is TradeKind.REDUCE:
        return _reduce(book, trade)
    return _open(book, trade, target)


def _may_reverse(book: ModelBook, trade: ModelTrade, target: int) -> bool:
    return trade.kind is TradeKind.REVERSAL and _scaled(target, book.scale) != 0


def _close_all(book: ModelBook, contract: FuturesContract, trade: ModelTrade | None) -> _Decision:
    """Trade away all that is held for the model, whatever the model's own size was."""
    if book.held.get(contract, 0) == 0:
        return None, [_excluded(trade, say.never_opened(trade))] if trade else []
    source = trade or _catch_up_trade(book, contract, TradeKind.EXIT, after=0)
    return _close_down(book, source, keep=0, catch_up=trade is None)


def _close_down(book: ModelBook, source: ModelTrade, *, keep: int, catch_up: bool) -> _Decision:
    """Trade away what is held beyond ``keep`` contracts and is not being closed already.

    A working order that *adds* is not counted: it may never fill, and a closing order that relied
    on it would flip the position.
    """
    held, working = book.held[source.contract], book.working.get(source.contract, 0)
    side = 1 if held > 0 else -1
    closing = max(0, -working * side)
    if closing > abs(held):
        return None, [_excluded(source, say.overworked(source, held=held, working=working))]
    quantity = abs(held) - keep - closing
    if quantity <= 0:
        return None, [_excluded(source, say.already_working(source))]
    notes = [say.catch_up_close(source, held=held)] if catch_up else []
    if working * side > 0:
        notes.append(say.still_adding(source, working=working))
    return _desk_trade(source, -side * quantity, held, catch_up=catch_up, findings=tuple(notes)), []


def _catch_up(book: ModelBook, contract: FuturesContract, target: int) -> _Decision:
    """Close what is held beyond, or against, the model; open what is missing only on request."""
    held, working = book.held.get(contract, 0), book.working.get(contract, 0)
    wanted = _scaled(target, book.scale)
    excess = abs(held) > abs(wanted) and not book.audit_sizes
    if held * target < 0 or (held and excess):
        keep = abs(wanted) if held * target > 0 else 0
        kind = TradeKind.REDUCE if keep else TradeKind.EXIT
        source = _catch_up_trade(book, contract, kind, after=target)
        return _close_down(book, source, keep=keep, catch_up=True)
    missing = wanted - held - working
    if missing * wanted <= 0:
        return None, []
    rest = book.half_rolled.get(contract, 0)
    if rest * missing > 0 and not book.catch_up_entries:
        return _complete_roll(book, contract, target, _at_most(missing, abs(rest)))
    trade = _catch_up_trade(book, contract, TradeKind.ENTRY, after=target)
    if not book.catch_up_entries:
        return None, [_excluded(trade, say.entry_not_caught_up(trade, held=held, target=wanted))]
    return _desk_trade(trade, missing, held, catch_up=True), []


def _complete_roll(
    book: ModelBook, contract: FuturesContract, target: int, missing: int
) -> _Decision:
    """Open what a roll of an earlier evening closed; no entry, for the desk held it before."""
    trade = _catch_up_trade(book, contract, TradeKind.ROLL_OPEN, after=target)
    if not book.complete_rolls:
        return None, [_excluded(trade, say.roll_half_done(trade, missing=missing))]
    held = book.held.get(contract, 0)
    notes = (say.roll_completed(trade, missing=missing),)
    return _desk_trade(trade, missing, held, catch_up=True, findings=notes), []


def _reduce(book: ModelBook, trade: ModelTrade) -> _Decision:
    """Trade the model's fraction of what was held when the evening began."""
    held = book.held.get(trade.contract, 0)
    if held == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    side = 1 if held > 0 else -1
    before = (held - book.done.get(trade.contract, 0)) * side
    share = Decimal(abs(trade.delta)) / abs(trade.position_before)
    cut = int((before * share).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if cut <= 0:
        return None, [_excluded(trade, say.too_small(trade, scale=book.scale))]
    return _close_down(book, trade, keep=max(0, before - cut), catch_up=False)


def _open(book: ModelBook, trade: ModelTrade, target: int) -> _Decision:
    """Entry, add or reversal: at most what tonight explains, and never what is there already."""
    contract = trade.contract
    held, working = book.held.get(contract, 0), book.working.get(contract, 0)
    wanted = _scaled(target, book.scale)
    if abs(held) > abs(wanted) and held * target > 0:
        made, left_out = _catch_up(book, contract, target)
        known = say.already_held(trade, held=held, working=working)
        return made, [*left_out, _excluded(trade, known)]
    if wanted == 0:
        return None, [_excluded(trade, say.too_small(trade, scale=book.scale))]
    if trade.kind is TradeKind.ADD and held == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    missing = wanted - held - working
    if trade.kind is TradeKind.ADD:
        missing = _at_most(missing, _step_left(book, trade, wanted))
    if missing * wanted <= 0 or contract in book.complete:
        return None, [_excluded(trade, say.already_held(trade, held=held, working=working))]
    return _desk_trade(trade, missing, held), []


def _step_left(book: ModelBook, trade: ModelTrade, wanted: int) -> int:
    """Contracts of tonight's own step that are neither filled nor working yet."""
    gone = book.done.get(trade.contract, 0) + book.working.get(trade.contract, 0)
    step = wanted - _scaled(trade.position_before, book.scale) - gone
    return max(0, step if wanted > 0 else -step)


def _at_most(signed: int, limit: int) -> int:
    return min(abs(signed), limit) * (1 if signed > 0 else -1)


def _roll_open(
    book: ModelBook, trade: ModelTrade, closed: Mapping[FuturesContract, int]
) -> _Decision:
    """Open in the new month what the close leg closes in the old one, and nothing else.

    Both legs count whole: with what was filled tonight, and with what is working.
    """
    old = trade.roll_partner or trade.contract
    closing = closed.get(old, 0) + book.done.get(old, 0) + book.working.get(old, 0)
    if closing == 0:
        return None, [_excluded(trade, say.never_opened(trade))]
    held, working = book.held.get(trade.contract, 0), book.working.get(trade.contract, 0)
    if held * closing > 0:  # the other way round in the new month: that goes first
        made, left_out = _catch_up(book, trade.contract, -closing)
        return made, [*left_out, _excluded(trade, say.other_way_first(trade, held=held))]
    towards = working if working * closing < 0 else 0  # what works against it may never fill
    missing = -closing - book.done.get(trade.contract, 0) - towards
    if missing * closing >= 0:
        return None, [_excluded(trade, say.already_held(trade, held=held, working=working))]
    if old in closed:
        return _desk_trade(trade, missing, held), []
    if not book.complete_rolls:
        return None, [_excluded(trade, say.roll_half_done(trade, missing=missing))]
    notes = (say.roll_completed(trade, missing=missing),)
    return _desk_trade(trade, missing, held, catch_up=True, findings=notes), []


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
