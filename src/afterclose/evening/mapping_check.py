"""The mapping check of every evening: the facts of each root against the gateway's.

What is traded was asked for by the snapshot already; the market rule and the store's close are
added. Of every other mapped root in the store the next month is asked for, so that a wrong fact is
seen before the first order in it. Such a root is shown and never blocks the evening.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from afterclose.domain import contract_facts
from afterclose.domain.contracts import (
    FuturesContract,
    MappedContract,
    PriceStep,
    QualifiedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import (
    AnswerState,
    BarsAnswer,
    MarketSnapshot,
    Qualification,
    QualificationState,
)
from afterclose.domain.orders import BasketOrder
from afterclose.errors import BrokerError
from afterclose.evening.desk import Desk
from afterclose.ports import BrokerReader
from afterclose.settings import CheckMapping
from afterclose.stages import mapping

_Answer = TypeVar("_Answer")
#: Seconds that an evening waits for the check; what is not answered by then is unknown.
DEADLINE_S = 60.0
#: Months among which the one to ask for is chosen: the first that the store has a close of.
_MONTHS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingTonight:
    """What the check found.

    ``rows`` belong on every order of their contract and weigh as they do in the audit; ``roots``
    are of roots without an order, and none of them blocks.
    """

    rows: Mapping[FuturesContract, tuple[Finding, ...]] = field(default_factory=dict)
    roots: tuple[Finding, ...] = ()
    asked: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found."""
        return (*(f for found in self.rows.values() for f in found), *self.roots)


def with_checked(
    notes: Mapping[str, tuple[Finding, ...]], orders: Iterable[BasketOrder], tonight: MappingTonight
) -> dict[str, tuple[Finding, ...]]:
    """Add what was found of each order's contract to the notes, which are by order reference."""
    found = {o.order_ref: tonight.rows.get(o.contract, ()) for o in orders}
    return {ref: (*notes.get(ref, ()), *found.get(ref, ())) for ref in {*notes, *found}}


async def check_mapping(
    desk: Desk,
    reader: BrokerReader,
    orders: Sequence[BasketOrder],
    live: MarketSnapshot,
    *,
    deadline_s: float = DEADLINE_S,
) -> MappingTonight:
    """Compare the mapping with the gateway, over the snapshot's connection. Never raises for it."""
    session = live.session
    traded = list({o.contract: o.mapped for o in orders}.values())
    others = _others(desk, session, {m.contract.root for m in traded})
    question = question_about(desk, session, [*traded, *others])
    return await check(reader, question, orders, live, deadline_s=deadline_s)


def _others(desk: Desk, session: Session, traded: Collection[RootSymbol]) -> list[MappedContract]:
    """The next month of each mapped root that has no order tonight.

    A root that the mapping blocks is known to be unsettled and can have no order: it is left to
    ``afterclose mapping check``.
    """
    if desk.settings.audit.check_mapping is CheckMapping.TRADED:
        return []
    stored = {RootSymbol(root) for root in desk.market.roots()}
    chosen: list[MappedContract] = []
    for root in sorted(stored & set(desk.specs) - set(traded)):
        spec = desk.specs[root]
        if spec.blocked:
            continue
        months = mapping.months_to_check(spec, session, count=_MONTHS)
        known = (c for c in months if desk.market.last_close(c, session) is not None)
        chosen.append(MappedContract(contract=next(known, months[0]), spec=spec))
    return chosen


def question_about(
    desk: Desk, session: Session, contracts: Sequence[MappedContract]
) -> mapping.MappingQuestion:
    """Lay what the desk's market data knows of the contracts beside them."""
    named = [m.contract for m in contracts]
    vendor = {c: desk.market.vendor_contract(c) for c in named}
    closes = {c: desk.market.last_close(c, session) for c in named}
    return mapping.MappingQuestion(
        session=session,
        contracts=contracts,
        vendor={c: known for c, known in vendor.items() if known is not None},
        closes={c: close for c, close in closes.items() if close is not None},
    )


async def check(
    reader: BrokerReader,
    question: mapping.MappingQuestion,
    orders: Sequence[BasketOrder],
    live: MarketSnapshot,
    *,
    deadline_s: float = DEADLINE_S,
) -> MappingTonight:
    """Ask for what the snapshot did not, and judge: rows as the audit does, the rest lighter."""
    traded = {o.contract for o in orders}
    others = [m for m in question.contracts if m.contract not in traded]
    answers = await _ask(reader, live, traded, others, deadline_s)
    compared = mapping.check(question, answers.found, answers.bars, answers.steps)
    rows = {
        c.mapped.contract: _of_row(c, answers, orders)
        for c in compared
        if c.mapped.contract in traded
    }
    apart = [c for c in compared if c.mapped.contract not in traded]
    return MappingTonight(
        rows={contract: found for contract, found in rows.items() if found},
        roots=(*(f for c in apart for f in _of_root(c)), *_unanswered(apart, answers)),
        asked=len(compared),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    found: Mapping[FuturesContract, Qualification]
    bars: Mapping[FuturesContract, BarsAnswer]
    steps: mapping.Steps
    #: Whether the reader can be asked for market rules at all.
    rules: bool

    def rule_untold(self, found: QualifiedContract | None) -> bool:
        """Whether the contract has a market rule that the gateway did not tell."""
        named = found is not None and found.market_rule is not None
        return self.rules and named and found is not None and not self.steps.get(found.contract)


async def _ask(
    reader: BrokerReader,
    live: MarketSnapshot,
    traded: Collection[FuturesContract],
    others: Sequence[MappedContract],
    deadline_s: float,
) -> _Answers:
    """Ask in the order of what matters tonight: rules of what is traded, then the other roots."""
    until = asyncio.get_running_loop().time() + deadline_s
    rules = reader if isinstance(reader, mapping.PriceRules) else None
    ours = [q for c in sorted(traded) if (q := live.qualified(c)) is not None]
    steps = await _steps(rules, ours, until)
    found = await _by(until, reader.qualify(others)) or {}
    apart = [a.qualified for a in found.values() if a.qualified is not None]
    bars, more = await asyncio.gather(
        _by(until, reader.daily_bars(apart, sessions=mapping.CLOSE_BARS)),
        _steps(rules, apart, until),
    )
    return _Answers(
        found={**live.qualifications, **found},
        bars={**live.bars, **(bars or {})},
        steps={**steps, **more},
        rules=rules is not None,
    )


async def _steps(
    rules: mapping.PriceRules | None, contracts: Sequence[QualifiedContract], until: float
) -> Mapping[FuturesContract, tuple[PriceStep, ...]]:
    return {} if rules is None else await _by(until, rules.price_steps(contracts)) or {}


async def _by(until: float, question: Awaitable[_Answer]) -> _Answer | None:
    """Return the answer; None where it did not come in time, or the line is gone."""
    try:
        async with asyncio.timeout_at(until):
            return await question
    except (TimeoutError, BrokerError):
        return None


def _of_row(
    compared: mapping.CheckedContract, answers: _Answers, orders: Iterable[BasketOrder]
) -> tuple[Finding, ...]:
    """Return what the audit of the row does not say itself: the market rule, the store's close."""
    mapped, found = compared.mapped, compared.answer.qualified
    ours, theirs = compared.our_close, compared.gateway_close
    if found is None:  # the audit says so
        return ()
    price = ours if theirs is None else theirs
    steps = answers.steps.get(mapped.contract, ())
    told = [*contract_facts.steps_agree(mapped, steps, price)]
    if answers.rule_untold(found):
        told.append(_rule_untold(mapped))
    prices = [o.reference_price for o in orders if o.contract == mapped.contract]
    if ours is not None and theirs is not None and not _apart(mapped, prices, theirs):
        told += contract_facts.levels_agree(mapped, ours, theirs, named=mapping.OUR_CLOSE)
    return tuple(told)


def _apart(mapped: MappedContract, prices: Iterable[Decimal], theirs: Decimal) -> bool:
    """Whether the audit finds the orders' own prices on another level."""
    return any(True for p in prices for _ in contract_facts.levels_agree(mapped, p, theirs))


def _rule_untold(mapped: MappedContract) -> Finding:
    """AC213 on a row: the limit was made on a tick that nobody confirmed."""
    return Finding(
        code="AC213",
        severity=Severity.WARN,
        subject=mapped.contract.symbol,
        message="the gateway did not tell the market rule: whether IB takes this tick is unknown",
        hint="audit again; IB refuses a price off its steps (110)",
    )


def _of_root(compared: mapping.CheckedContract) -> Iterable[Finding]:
    """Return what differs in a root without an order; silence is said once for all of them."""
    root = compared.mapped.spec.root
    for finding in compared.findings:
        if finding.code != "AC211":
            yield replace(
                finding,
                severity=min(finding.severity, Severity.WARN),
                message=f"{finding.message} (no order in {root} tonight)",
            )


def _unanswered(
    compared: Sequence[mapping.CheckedContract], answers: _Answers
) -> Iterable[Finding]:
    """AC213: roots that are not compared, or not in all, because an answer did not come."""
    silent = [c.mapped.spec.root for c in compared if _silent(c, answers)]
    if silent:
        yield Finding(
            code="AC213",
            severity=Severity.INFO,
            subject="mapping",
            message=(
                f"the gateway did not answer all that was asked of {len(silent)} of "
                f"{len(compared)} roots without an order tonight: {', '.join(silent)}"
            ),
            hint="their facts are unknown, not right: afterclose mapping check asks again",
        )


def _silent(compared: mapping.CheckedContract, answers: _Answers) -> bool:
    found = compared.answer.qualified
    if compared.answer.state is QualificationState.UNKNOWN:
        return True
    if found is None:
        return False
    bars = answers.bars.get(compared.mapped.contract)
    no_bars = bars is None or bars.state is AnswerState.UNKNOWN
    return no_bars or answers.rule_untold(found)
