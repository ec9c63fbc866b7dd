"""What concerns the evening as a whole: clocks, answers that did not come, concentration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.runs import Mode

#: Gateway and desk may disagree on the time by this much before it is said.
MAX_CLOCK_SKEW = timedelta(seconds=30)
#: Less than this before the gateway restarts, an evening may not be sent to its end any more.
RESTART_NEAR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One position of the account; ``value`` is of one contract, in ``currency``, None: unknown."""

    con_id: int
    quantity: int
    sector: str
    currency: Currency
    value: Decimal | None


class ConcentrationLimits(Protocol):
    """The limits of what the account may hold after the basket; None: not judged."""

    @property
    def max_gross_leverage(self) -> Decimal | None:
        """Value of all contracts over net liquidation."""

    @property
    def max_sector_share(self) -> Decimal | None:
        """Share of one sector in the value of all contracts."""

    @property
    def max_currency_share(self) -> Decimal | None:
        """Share of one currency in the value of all contracts."""


def evening_findings(
    snapshot: MarketSnapshot,
    rows: Sequence[AuditRow],
    holdings: Sequence[Holding],
    limits: ConcentrationLimits,
) -> tuple[Finding, ...]:
    """Gather what concerns more than one row."""
    after, uncounted = holdings_after(snapshot, rows, holdings)
    return (
        *_clock(snapshot),
        *_restart(snapshot),
        *_answers(snapshot),
        *_leverage(snapshot, after, uncounted, limits.max_gross_leverage),
        *_uncounted(snapshot.account.account, uncounted, limits),
        *_concentration("AC511", "sector", after, lambda h: h.sector, limits.max_sector_share),
        *_concentration(
            "AC512", "currency", after, lambda h: h.currency, limits.max_currency_share
        ),
    )


def account_findings(
    account: str, snapshot: MarketSnapshot, mode: Mode | None
) -> Iterator[Finding]:
    """AC509: what was read must be the account that is traded, paper or live as the desk is set."""
    read = snapshot.account.account
    paper = read.startswith(_PAPER)
    if read != account or not read:
        wrong = f"the gateway's answers are of {read or 'no account'}, the basket is for {account}"
    elif mode is not None and paper is not (mode is Mode.PAPER):
        wrong = f"{read} is a {'paper' if paper else 'live'} account, the desk is set to {mode}"
    else:
        return
    yield Finding(
        code="AC509",
        severity=Severity.BLOCK,
        subject=account,
        message=wrong,
        hint="log in to the right account, or correct desk.account and desk.mode",
    )


#: IB numbers paper accounts DU… and DF….
_PAPER = ("DU", "DF")


def _clock(snapshot: MarketSnapshot) -> Iterator[Finding]:
    """AC501, AC517: sessions and expiries depend on one time."""
    if snapshot.server_time is None:
        yield Finding(
            code="AC517",
            severity=Severity.INFO,
            subject="clock",
            message="the gateway did not tell its time: it was not compared with ours",
            hint="if this machine's clock is set by hand, look at it",
        )
        return
    skew = abs(snapshot.server_time - snapshot.as_of)
    if skew > MAX_CLOCK_SKEW:
        yield Finding(
            code="AC501",
            severity=Severity.WARN,
            subject="clock",
            message=f"the gateway's clock is {length(skew)} from ours",
            hint="set this machine's clock; sessions and expiries depend on it",
        )


def _restart(snapshot: MarketSnapshot) -> Iterator[Finding]:
    """AC518: orders that wait in the gateway when it restarts are not sent."""
    if snapshot.next_restart is None:
        return
    left = snapshot.next_restart - snapshot.as_of
    if left < RESTART_NEAR:
        yield Finding(
            code="AC518",
            severity=Severity.WARN,
            subject="gateway",
            message=f"the gateway restarts in {max(0, int(left.total_seconds() // 60))} minutes",
            hint="send before, or wait until it is back; broker.restart says when it does",
        )


def _answers(snapshot: MarketSnapshot) -> Iterator[Finding]:
    if snapshot.account.unknown:
        yield Finding(
            code="AC502",
            severity=Severity.WARN,
            subject=snapshot.account.account,
            message=f"the account did not answer for: {', '.join(snapshot.account.unknown)}",
            hint="rows that need it are blocked; audit again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAfter:
    """One contract after the basket, if all of it fills: its gross value in the base currency."""

    sector: str
    currency: Currency
    gross: Decimal


def holdings_after(
    snapshot: MarketSnapshot, rows: Iterable[AuditRow], holdings: Iterable[Holding]
) -> tuple[tuple[HeldAfter, ...], int]:
    """Value what the account holds after the basket; also how many contracts cannot be valued."""
    quantity: defaultdict[int, int] = defaultdict(int)
    facts: dict[int, Holding] = {}
    uncounted = 0
    for holding in holdings:
        quantity[holding.con_id] += holding.quantity
        facts[holding.con_id] = holding
    for row in rows:
        order = row.final_order()
        if order is None or row.qualified is None:
            continue
        quantity[row.qualified.con_id] += order.signed
        facts.setdefault(row.qualified.con_id, _of_row(row))
    after: list[HeldAfter] = []
    for con_id, held in quantity.items():
        about = facts[con_id]
        rate = snapshot.fx.rate(about.currency) or _own_rate(snapshot, about.currency)
        if held and (about.value is None or rate is None):
            uncounted += 1
        elif held and about.value is not None and rate is not None:
            gross = abs(held * about.value) * rate
            after.append(HeldAfter(sector=about.sector, currency=about.currency, gross=gross))
    return tuple(after), uncounted


def _own_rate(snapshot: MarketSnapshot, currency: Currency) -> Decimal | None:
    """The account's own rate, for looking: a currency that tonight's orders do not need."""
    account = snapshot.account
    return account.exchange_rates.get(currency) if account.base == snapshot.fx.base else None


def _of_row(row: AuditRow) -> Holding:
    spec = row.order.mapped.spec
    point_value = row.qualified.point_value if row.qualified else spec.point_value
    price = row.close.close if row.close else row.order.reference_price
    return Holding(
        con_id=row.qualified.con_id if row.qualified else 0,
        quantity=0,
        sector=spec.sector,
        currency=spec.currency,
        value=None if point_value is None else price * point_value,
    )


def _leverage(
    snapshot: MarketSnapshot,
    after: Sequence[HeldAfter],
    uncounted: int,
    limit: Decimal | None,
) -> Iterator[Finding]:
    """AC510: value of all contracts after the basket over the account's net liquidation."""
    account = snapshot.account
    rate = snapshot.fx.rate(account.base)
    if limit is None:
        return
    if account.net_liquidation is None or rate is None or account.positions is None:
        yield _unknown(account.account, "positions or net liquidation did not come")
        return
    worth = account.net_liquidation * rate
    gross = sum((h.gross for h in after), Decimal(0))
    if worth > 0 and gross / worth <= limit:
        return
    told = f"{gross / worth:.1f}" if worth > 0 else "without limit"
    left_out = f"; {counted(uncounted)} could not be valued" if uncounted else ""
    yield Finding(
        code="AC510",
        severity=Severity.WARN,
        subject=account.account,
        message=f"gross leverage after the basket is {told}, above {limit:f}{left_out}",
        hint="leave openings out, or raise audit.max_gross_leverage if that is meant",
        evidence={"gross": str(gross), "net_liquidation": str(worth)},
    )


def _uncounted(account: str, uncounted: int, limits: ConcentrationLimits) -> Iterator[Finding]:
    """AC513: a contract without price or rate is not worth nothing."""
    judged = (limits.max_gross_leverage, limits.max_sector_share, limits.max_currency_share)
    if uncounted and any(limit is not None for limit in judged):
        yield _unknown(account, f"{counted(uncounted)} could not be valued")


def counted(contracts: int) -> str:
    """Say how many contracts."""
    return f"{contracts} contract{'s' if contracts != 1 else ''}"


def _unknown(account: str, why: str) -> Finding:
    return Finding(
        code="AC513",
        severity=Severity.WARN,
        subject=account,
        message=f"leverage and concentration after the basket are unknown: {why}",
        hint="audit again before approving openings; look at the account in TWS",
    )


def _concentration(
    code: str,
    name: str,
    after: Sequence[HeldAfter],
    key: Callable[[HeldAfter], str],
    limit: Decimal | None,
) -> Iterator[Finding]:
    """AC511, AC512: one sector or currency is a large part of all that is held."""
    total = sum((h.gross for h in after), Decimal(0))
    if limit is None or total <= 0:
        return
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for held in after:
        sums[key(held)] += held.gross
    for part, gross in sorted(sums.items()):
        if gross / total > limit:
            yield Finding(
                code=code,
                severity=Severity.WARN,
                subject=part,
                message=f"the {name} {part} is {gross / total:.0%} of all contracts after the "
                f"basket, above {limit:.0%}",
                hint=f"leave openings out, or raise audit.max_{name}_share if that is meant",
                evidence={"gross": str(gross), "total": str(total)},
            )


#: Units of time with their seconds; the largest of which there are two is written.
_UNITS = (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def length(time: timedelta) -> str:
    """Write a length of time in the largest unit that leaves at least two: ``50 h``, ``31 s``."""
    seconds = round(time.total_seconds())
    unit, size = next(((u, n) for u, n in _UNITS if seconds >= 2 * n), _UNITS[-1])
    return f"{seconds // size} {unit}"
