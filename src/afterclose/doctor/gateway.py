"""The gateway: reachable, which account, its clock, what it lets this program do, its markets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from afterclose.bootstrap import broker_reader
from afterclose.doctor import what_ifs
from afterclose.doctor.diagnosis import Diagnosis, fails, good, note, unknown
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import (
    ContractSpec,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
    Session,
)
from afterclose.domain.market import (
    AnswerState,
    Qualification,
    QualificationState,
    Quote,
    QuoteKind,
)
from afterclose.domain.runs import Mode
from afterclose.errors import AccountMismatch, AfterCloseError, BrokerTimeout
from afterclose.ports import BrokerReader, Clock
from afterclose.settings import PAPER_ACCOUNT, Settings
from afterclose.stages.mapping import months_to_check

PART = "gateway"
#: A contract to try an order with: as we name it, as the gateway does, and its market.
Probe = tuple[MappedContract, QualifiedContract, Quote | None]
_SKEW = timedelta(seconds=30)
_SHOWN = 10


async def check(
    settings: Settings,
    clock: Clock,
    session: Session,
    specs: Mapping[RootSymbol, ContractSpec],
    roots: Sequence[str],
) -> tuple[Diagnosis, ...]:
    """Ask everything on one connection. A gateway that is down is one line."""
    found: list[Diagnosis] = []
    address = f"{settings.broker.host}:{settings.broker.port}"
    try:
        async with broker_reader(settings, clock) as reader:
            found.append(good(PART, "line", f"{address} answers"))
            found.extend(which(settings, await reader.accounts()))
            found.append(await _clock(reader, clock))
            found.extend(await _account(reader, settings))
            lines, probes = await _markets(reader, session, specs, roots)
            found.extend(lines)
        found.extend(await what_ifs.check(settings, clock, session, probes))
    except AccountMismatch as error:
        found.append(good(PART, "line", f"{address} answers"))
        found.append(fails(PART, "account", str(error), error.hint))
    except AfterCloseError as error:
        found.append(fails(PART, "line", str(error), error.hint))
    return tuple(found)


def which(settings: Settings, accounts: Sequence[str]) -> Iterator[Diagnosis]:
    """Compare the login with the account of the settings, and paper with paper."""
    ours = settings.desk.account
    if not ours:
        yield fails(PART, "account", "no account is configured", "set desk.account")
        return
    paper = bool(PAPER_ACCOUNT.fullmatch(ours))
    kind = "paper" if paper else "LIVE, real money"
    if ours not in accounts:
        told = ", ".join(accounts) or "none"
        yield fails(
            PART,
            "account",
            f"this login has {told}, the desk wants {ours}",
            "log in with the right user, or correct desk.account",
        )
        return
    if paper != (settings.desk.mode is Mode.PAPER):
        yield fails(PART, "account", f"{ours} is {kind}", "desk.mode contradicts it")
        return
    others = len(accounts) - 1
    beside = f", beside {others} other accounts of this login" if others else ""
    yield good(PART, "account", f"{ours}, {kind}{beside}")


async def _clock(reader: BrokerReader, clock: Clock) -> Diagnosis:
    try:
        theirs = await reader.server_time()
    except BrokerTimeout as error:
        return unknown(PART, "clock", str(error), "ask again; TWS may be starting")
    return skew(theirs, clock.now())


def skew(theirs: datetime, ours: datetime) -> Diagnosis:
    """Compare the clocks. Sessions and expiries depend on them; the evening says it as AC501."""
    apart = abs(theirs - ours)
    if apart <= _SKEW:
        return good(PART, "clock", f"{apart.total_seconds():.0f} s from the gateway's")
    return note(
        PART,
        "clock",
        f"ours is {ours:%Y-%m-%d %H:%M:%S} UTC, the gateway's {theirs:%Y-%m-%d %H:%M:%S} UTC",
        "set this machine's clock by network time; only a rehearsal has an evening of its own",
    )


async def _account(reader: BrokerReader, settings: Settings) -> tuple[Diagnosis, ...]:
    try:
        seen = await reader.account(settings.desk.account)
    except AfterCloseError as error:
        return (fails(PART, "account values", str(error), error.hint),)
    return tuple(values(settings, seen))


def values(settings: Settings, seen: AccountSnapshot) -> Iterator[Diagnosis]:
    """Say what the account tells of itself, and whether it can carry the models."""
    if seen.positions is None or seen.working_orders is None or seen.unknown:
        missing = [*seen.unknown]
        missing += ["positions"] if seen.positions is None else []
        missing += ["working orders"] if seen.working_orders is None else []
        yield fails(
            PART,
            "account values",
            f"it does not tell: {', '.join(dict.fromkeys(missing))}",
            "ask again; TWS may be starting, or its line to IBKR is down",
        )
    else:
        yield good(
            PART,
            "account values",
            f"{len(seen.positions)} positions, {len(seen.working_orders)} working orders",
        )
    if str(seen.base) != settings.engine.base_currency:
        yield fails(
            PART,
            "base currency",
            f"the account counts in {seen.base}, the desk in {settings.engine.base_currency}",
            f'set engine.base_currency = "{seen.base}"',
        )
    yield capital(settings, seen.net_liquidation)


def capital(settings: Settings, net_liquidation: Decimal | None) -> Diagnosis:
    """Compare what the models get together with what the account has."""
    total = sum((m.allocated or m.capital_base for m in settings.models), Decimal(0))
    base = settings.engine.base_currency
    if net_liquidation is None:
        return unknown(PART, "capital", f"the models get {total:,.0f} {base}; the account's is not")
    said = f"the models get {total:,.0f} of the account's {net_liquidation:,.0f} {base}"
    if total > net_liquidation:
        return fails(
            PART, "capital", said, "more than there is (AC519 blocks openings): lower allocated"
        )
    return good(PART, "capital", said)


async def _markets(
    reader: BrokerReader,
    session: Session,
    specs: Mapping[RootSymbol, ContractSpec],
    roots: Sequence[str],
) -> tuple[tuple[Diagnosis, ...], tuple[Probe, ...]]:
    """Name every root's next contract; one of each exchange is what orders are tried with."""
    wanted, blocked, unmapped = _split(specs, roots)
    near = [
        MappedContract(contract=months_to_check(spec, session, count=1)[0], spec=spec)
        for spec in wanted
    ]
    answers = await reader.qualify(near)
    found = [q for a in answers.values() if (q := a.qualified) is not None]
    first = _one_per_exchange(found)
    quotes = await reader.quotes(first)
    named = {m.contract: m for m in near}
    lines = (
        *mapped(answers, blocked=blocked, unmapped=unmapped),
        *permissions(found, quotes),
    )
    return lines, tuple((named[q.contract], q, quotes.get(q.contract)) for q in first)


def _split(
    specs: Mapping[RootSymbol, ContractSpec], roots: Sequence[str]
) -> tuple[list[ContractSpec], list[str], list[str]]:
    known = [specs[RootSymbol(r)] for r in roots if RootSymbol(r) in specs]
    return (
        [s for s in known if not s.blocked],
        [str(s.root) for s in known if s.blocked],
        [r for r in roots if RootSymbol(r) not in specs],
    )


def mapped(
    answers: Mapping[FuturesContract, Qualification],
    *,
    blocked: Sequence[str],
    unmapped: Sequence[str],
) -> Iterator[Diagnosis]:
    """Say which roots the gateway knows by our facts."""
    wrong = {c.root: a.state for c, a in answers.items() if a.state is not QualificationState.FOUND}
    for state in QualificationState:
        names = sorted(str(root) for root, found in wrong.items() if found is state)
        if names and state is QualificationState.UNKNOWN:
            yield unknown(PART, "markets", f"no answer for {_few(names)}", "ask again")
        elif names:
            yield note(
                PART,
                "markets",
                f"{state.value} at the gateway: {_few(names)}",
                "their orders are blocked; 'afterclose mapping check' says what differs",
            )
    for some, why in ((blocked, "blocked in the mapping"), (unmapped, "not in the mapping")):
        if some:
            yield note(
                PART,
                "markets",
                f"{why}: {_few(sorted(some))}",
                "they do not trade until their row in the mapping workbook is settled",
            )
    found = len(answers) - len(wrong)
    if found:
        yield good(PART, "markets", f"{found} mapped roots are one contract each at the gateway")
    elif answers:
        yield fails(
            PART,
            "markets",
            "no mapped root is known at the gateway",
            "is TWS connected to IBKR? 'afterclose mapping check' says more",
        )


def _one_per_exchange(found: Iterable[QualifiedContract]) -> list[QualifiedContract]:
    first: dict[str, QualifiedContract] = {}
    for contract in found:
        first.setdefault(contract.exchange, contract)
    return [first[exchange] for exchange in sorted(first)]


def permissions(
    found: Sequence[QualifiedContract], quotes: Mapping[FuturesContract, Quote]
) -> Iterator[Diagnosis]:
    """Say, exchange by exchange, whether live quotes come."""
    exchanges = {q.contract: q.exchange for q in found}
    by_kind: dict[str, list[str]] = defaultdict(list)
    for contract, quote in quotes.items():
        by_kind[_kind(quote)].append(exchanges[contract])
    for kind, names in sorted(by_kind.items()):
        told = f"{kind}: {', '.join(sorted(names))}"
        if kind in {QuoteKind.LIVE.value, QuoteKind.FROZEN.value}:
            yield good(PART, "quotes", told)
        else:
            yield note(
                PART,
                "quotes",
                told,
                "without live quotes openings there are flagged, and the price guard keeps them; "
                "subscribe to the exchange in IBKR's client portal",
            )


def _kind(quote: Quote) -> str:
    if quote.state is not AnswerState.VALUE or quote.kind is None:
        return f"none ({quote.code})" if quote.code else "none"
    return quote.kind.value


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return " ".join(names[:_SHOWN]) + more
