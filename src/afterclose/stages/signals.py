"""Signals: run the models, and read from each result what it wants tonight.

Two rules. *Orders* (the default): what is still open when the run ends was decided tonight and is
not filled in the model yet; tonight's limit is the last close. *Transactions*: the fills of the
last session, which the model already has; the limit is the model's fill. The second is the rule of
a transactions file and trades one session behind the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite
from threading import Lock

from afterclose.domain.contracts import FuturesContract, Session, read_symbol
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import ModelTrade, TradeKind
from afterclose.domain.runs import (
    ModelOrder,
    ModelRequest,
    ModelResult,
    ModelTransaction,
    TradesFrom,
)
from afterclose.ports import ModelRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTonight:
    """What one model wants tonight.

    ``before`` and ``target`` are the model's positions before and after tonight's orders (zero
    where it ends flat); ``prices`` are last closes in vendor units.
    """

    model: str
    session: Session
    trades_from: TradesFrom
    trades: tuple[ModelTrade, ...]
    before: Mapping[FuturesContract, int]
    target: Mapping[FuturesContract, int]
    prices: Mapping[FuturesContract, Decimal]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Tonight's change of one contract before it is classified: signed, in model contracts."""

    contract: FuturesContract
    before: int
    after: int
    price: Decimal | None
    reason: str = ""
    stop_level: Decimal | None = None
    automatic: bool = False
    line: int | None = None


def classify(before: int, after: int) -> TradeKind:
    """Name a change of position. Shorts included: a purchase is not always an entry."""
    if before == 0:
        return TradeKind.ENTRY
    if after == 0:
        return TradeKind.EXIT
    if (before > 0) != (after > 0):
        return TradeKind.REVERSAL
    return TradeKind.ADD if abs(after) > abs(before) else TradeKind.REDUCE


def trades_of(
    model: str, session: Session, decisions: Iterable[Decision]
) -> tuple[ModelTrade, ...]:
    """Classify one model's decisions of one evening and pair the two legs of each roll.

    A roll is a position that ends in one month while one of the same direction begins, or grows,
    in another month of the same root on the same evening.
    """
    trades = [
        ModelTrade(
            model=model,
            contract=d.contract,
            decided_on=session,
            kind=TradeKind.AUTO_CLOSE if d.automatic else classify(d.before, d.after),
            position_before=d.before,
            position_after=d.after,
            price=d.price,
            reason=d.reason,
            stop_level=d.stop_level,
            line=d.line,
        )
        for d in decisions
        if d.before != d.after
    ]
    return _pair_rolls(sorted(trades, key=lambda t: t.contract))


def _pair_rolls(trades: Sequence[ModelTrade]) -> tuple[ModelTrade, ...]:
    by_root: defaultdict[str, list[ModelTrade]] = defaultdict(list)
    for trade in trades:
        by_root[trade.contract.root].append(trade)
    paired: list[ModelTrade] = []
    for legs in by_root.values():
        paired.extend(_roll_legs(legs))
    return tuple(sorted(paired, key=lambda t: t.contract))


def _roll_legs(legs: Sequence[ModelTrade]) -> Iterable[ModelTrade]:
    closing = [t for t in legs if t.position_after == 0]
    opening = [t for t in legs if t.kind in {TradeKind.ENTRY, TradeKind.ADD}]
    if len(closing) != 1 or len(opening) != 1:
        return legs
    close, open_ = closing[0], opening[0]
    if (close.delta > 0) == (open_.delta > 0):
        return legs
    rest = [t for t in legs if t is not close and t is not open_]
    return [
        replace(close, kind=TradeKind.ROLL_CLOSE, roll_partner=open_.contract),
        replace(open_, kind=TradeKind.ROLL_OPEN, roll_partner=close.contract),
        *rest,
    ]


def tonight(result: ModelResult, rule: TradesFrom) -> ModelTonight:
    """Read tonight's trades from a finished run by one of the two rules."""
    session = result.last_session
    held = {read_symbol(p.symbol, on=session): p.amount for p in result.positions if p.amount}
    closes, findings = _last_closes(result)
    pending, notes = _pending(result.open_orders, session=session)
    automatic = {read_symbol(a.symbol, on=session) for a in result.auto_closes}
    target = _targets(held, pending, automatic)
    if rule is TradesFrom.ORDERS:
        decisions = _from_orders(held, target, closes, notes, automatic)
        before = held
    else:
        filled = [t for t in result.transactions if t.session == session and not t.adopted]
        decisions = _from_fills(filled, held, session)
        before = {d.contract: d.before for d in decisions}
        target = held
    return ModelTonight(
        model=result.model,
        session=session,
        trades_from=rule,
        trades=trades_of(result.model, session, decisions),
        before=before,
        target=target,
        prices=closes,
        findings=tuple(findings),
    )


def _targets(
    held: Mapping[FuturesContract, int],
    pending: Mapping[FuturesContract, int],
    automatic: set[FuturesContract],
) -> dict[FuturesContract, int]:
    target = {
        contract: held.get(contract, 0) + pending.get(contract, 0) for contract in {*held, *pending}
    }
    return target | dict.fromkeys(automatic, 0)


@dataclass(frozen=True, slots=True)
class _Note:
    reason: str
    stop_level: Decimal | None


def _pending(
    orders: Iterable[ModelOrder], *, session: Session
) -> tuple[dict[FuturesContract, int], dict[FuturesContract, _Note]]:
    """Sum what is still to be filled, per contract; the newest order's note stands for all."""
    remaining: defaultdict[FuturesContract, int] = defaultdict(int)
    notes: dict[FuturesContract, _Note] = {}
    for order in sorted(orders, key=lambda o: o.created):
        contract = read_symbol(order.symbol, on=session)
        remaining[contract] += order.remaining
        notes[contract] = _Note(order.reason, _decimal(order.stop_level))
    return dict(remaining), notes


def _from_orders(
    held: Mapping[FuturesContract, int],
    target: Mapping[FuturesContract, int],
    closes: Mapping[FuturesContract, Decimal],
    notes: Mapping[FuturesContract, _Note],
    automatic: set[FuturesContract],
) -> list[Decision]:
    return [
        Decision(
            contract=contract,
            before=held.get(contract, 0),
            after=after,
            price=closes.get(contract),
            reason=notes[contract].reason if contract in notes else "auto-close",
            stop_level=notes[contract].stop_level if contract in notes else None,
            automatic=contract in automatic and contract not in notes,
        )
        for contract, after in target.items()
        if after != held.get(contract, 0)
    ]


def _from_fills(
    fills: Iterable[ModelTransaction], held: Mapping[FuturesContract, int], session: Session
) -> list[Decision]:
    by_contract: defaultdict[FuturesContract, list[ModelTransaction]] = defaultdict(list)
    for fill in fills:
        by_contract[read_symbol(fill.symbol, on=session)].append(fill)
    return [
        Decision(
            contract=contract,
            before=held.get(contract, 0) - sum(f.amount for f in group),
            after=held.get(contract, 0),
            price=average_price((f.amount, _decimal(f.price)) for f in group),
            automatic=all(not f.order_id for f in group),
            reason="auto-close" if all(not f.order_id for f in group) else "",
        )
        for contract, group in by_contract.items()
    ]


def average_price(fills: Iterable[tuple[int, Decimal | None]]) -> Decimal | None:
    """Average fills weighted by their size; None when any price is missing."""
    total, size = Decimal(0), 0
    for amount, price in fills:
        if price is None:
            return None
        total += abs(amount) * price
        size += abs(amount)
    return total / size if size else None


def _last_closes(result: ModelResult) -> tuple[dict[FuturesContract, Decimal], list[Finding]]:
    closes: dict[FuturesContract, Decimal] = {}
    findings: list[Finding] = []
    for symbol, (seen, value) in result.last_closes.items():
        price = _decimal(value)
        contract = read_symbol(symbol, on=result.last_session)
        if price is not None:
            closes[contract] = price
        if price is None or seen != result.last_session:
            findings.append(_old_close(symbol, result, seen.isoformat(), price))
    return closes, findings


def _old_close(symbol: str, result: ModelResult, seen: str, price: Decimal | None) -> Finding:
    return Finding(
        code="AC107",
        severity=Severity.WARN,
        subject=symbol,
        message=f"{result.model} has no close of {result.last_session}; its last is of {seen}",
        hint="a holiday on that exchange, or late data: compare the limit with the market",
        evidence={"close": None if price is None else str(price), "session": seen},
    )


def _decimal(value: float | None) -> Decimal | None:
    """Exact decimal of the shortest text of a float; None for nothing, NaN and infinities."""
    return Decimal(repr(value)) if value is not None and isfinite(value) else None


def run(
    runner: ModelRunner,
    requests: Sequence[ModelRequest],
    *,
    on_progress: Callable[[str], None],
    at_once: int = 1,
) -> tuple[ModelResult, ...]:
    """Run every model to its last session, ``at_once`` of them side by side.

    Results are in the order of the requests. When a model fails its error is raised, after the
    others have ended.
    """
    speaking = Lock()

    def one(request: ModelRequest) -> ModelResult:
        def say(text: str) -> None:
            with speaking:
                on_progress(f"{request.model.name}: {text}")

        return runner.run(request, on_progress=say)

    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(requests)))) as pool:
        running = [pool.submit(one, request) for request in requests]
    return tuple(each.result() for each in running)
