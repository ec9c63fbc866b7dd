"""Daily bars from the gateway itself, for traders without a data vendor.

The gateway has the contracts that are listed now, with up to a few years of daily bars each. A
store filled from it starts with the near months of every root and grows evening by evening.

Each root is a commit of its own, and one whose contracts already have the session is passed over: a
load that was interrupted, or that the gateway refused in part, goes on where it stopped. An answer
that did not come is never taken for "no such contract": that root fails, with the reason.

Bars are last trades until the exchange's settlement arrives, hours later; the next evening's
comparison takes the settlement over and logs it as a revision. The gateway does not tell first
notice days: they follow from the exchanges' general rules where we have one, and are not known
otherwise; a physically delivered contract without a rule is closed before its delivery month.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np

from afterclose.adapters.marketdata.calendars import earlier_session, market_sessions
from afterclose.adapters.marketdata.expiry import rule_positions
from afterclose.adapters.marketdata.generated_roots import generated_roots
from afterclose.adapters.marketdata.loaded_source import LoadedSource
from afterclose.adapters.marketdata.market_calendar import market_calendar
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractBars,
    ContractRecord,
    FxSeries,
    MarketData,
)
from afterclose.adapters.marketdata.revisions import Revision
from afterclose.adapters.marketdata.state import StoreState
from afterclose.adapters.marketdata.update import OVERLAP, RootUpdate, update_store
from afterclose.adapters.marketdata.writer import MarketStoreWriter
from afterclose.domain.contracts import (
    ContractMonth,
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    Settlement,
)
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    FxHistory,
    FxRate,
    Qualification,
    QualificationState,
)
from afterclose.errors import DataError

SOURCE_NAME = "Interactive Brokers"
#: A year and a bit: what the models need to warm their indicators.
HISTORY_SESSIONS = 270
DELIVERIES = 4
_MONTHS_LOOKED_AT = 18
_AUTO_CLOSE_LEAD_SESSIONS = 2


class HistoryGateway(Protocol):
    """What of the gateway is needed here; ``ports.BrokerReader`` has it."""

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        """Name each contract to the gateway."""

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        """Daily bars of all hours, the forming session included."""

    async def fx_history(
        self, currencies: Collection[Currency], *, base: Currency, sessions: int
    ) -> FxHistory:
        """Daily rates of each currency, of at least so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayUpdate:
    """What was brought, passed over because it was there, and not answered.

    ``failed`` is by root, ``rates_failed`` by currency: why the gateway gave nothing.
    """

    roots: tuple[RootUpdate, ...]
    revisions: tuple[Revision, ...]
    passed_over: tuple[str, ...]
    failed: Mapping[str, str]
    rates: int
    rates_failed: Mapping[str, str]


class _NotAnswered(Exception):  # noqa: N818 - says what happened; never leaves this module
    """The gateway did not answer for a root."""


async def update_from_gateway(
    path: Path,
    gateway: HistoryGateway,
    specs: Sequence[ContractSpec],
    *,
    session: date,
    now: datetime,
    on_progress: Callable[[RootUpdate], None] = lambda _: None,
) -> GatewayUpdate:
    """Bring the store at ``path`` (created if there is none) up to ``session``, root by root.

    ``now`` dates revisions. A line that breaks fails the roots that were still to come; what was
    brought until then is kept.
    """
    with MarketStoreWriter(path) as writer:
        writer.name_source(SOURCE_NAME)
    done: list[RootUpdate] = []
    revisions: list[Revision] = []
    passed_over: list[str] = []
    failed: dict[str, str] = {}
    for spec in sorted(specs, key=lambda spec: spec.root):
        try:
            data = await _root_data(StoreState.open(path), gateway, spec, session)
        except _NotAnswered as reason:
            failed[str(spec.root)] = str(reason)
            continue
        if data is None:
            passed_over.append(str(spec.root))
            continue
        source = LoadedSource(name=SOURCE_NAME, data=data, today=session)
        update = update_store(path, source, session=session, now=now, roots=[spec.root])
        done.append(update.roots[0])
        revisions.extend(update.revisions)
        on_progress(update.roots[0])
    rates = await _update_rates(path, gateway, session, now)
    return GatewayUpdate(
        roots=tuple(done),
        revisions=(*revisions, *rates.revisions),
        passed_over=tuple(passed_over),
        failed=failed,
        rates=rates.added,
        rates_failed=rates.failed,
    )


async def _root_data(
    state: StoreState, gateway: HistoryGateway, spec: ContractSpec, session: date
) -> MarketData | None:
    """All that is to be stored of a root; None where the session is there already."""
    if spec.point_value is None:
        raise _NotAnswered(spec.blocked or "its point value is not constant")
    calendar = market_calendar(spec.root, exchange="", currency=spec.currency, sector=spec.sector)
    owed = market_sessions(calendar, session - OVERLAP, session).days[-1].item()
    chain = state.contracts.chain(spec.root)
    days = [state.bars.last_day(symbol) for symbol in chain]
    newest = max((date(1970, 1, 1) + timedelta(days=day) for day in days if day), default=None)
    if newest is not None and newest >= owed:
        return None
    found = await _listed(gateway, spec, session)
    fresh = [one for one in found if one.contract.symbol not in state.contracts]
    known = [one for one in found if one.contract.symbol in state.contracts]
    answers = dict(await gateway.daily_bars(fresh, sessions=HISTORY_SESSIONS)) if fresh else {}
    if known and newest is not None:
        gap = int(np.busday_count(newest - OVERLAP, session)) + 5
        answers |= await gateway.daily_bars(known, sessions=gap)
    pieces = [_bars(spec, one, answers[one.contract], session) for one in found]
    whole = [_with_stored(state, piece) for piece in pieces if len(piece)]
    by_symbol = {one.contract.symbol: one for one in found}
    records = [_record(spec, by_symbol[piece.symbol], calendar, piece) for piece in whole]
    return MarketData(contracts=tuple(records), bars=BarTable.joined(whole), fx={})


async def _listed(
    gateway: HistoryGateway, spec: ContractSpec, session: date
) -> list[QualifiedContract]:
    """The next deliveries that the gateway knows and that still trade."""
    months = [session.year * 12 + session.month - 2 + at for at in range(_MONTHS_LOOKED_AT)]
    wanted = [
        MappedContract(
            contract=FuturesContract(spec.root, ContractMonth(month // 12, month % 12 + 1)),
            spec=spec,
        )
        for month in months
        if "FGHJKMNQUVXZ"[month % 12] in spec.months
    ]
    answers = await gateway.qualify(wanted)
    found = []
    for mapped in wanted:
        answer = answers[mapped.contract]
        if answer.state in {QualificationState.UNKNOWN, QualificationState.AMBIGUOUS}:
            raise _NotAnswered(f"{mapped.contract}: {answer.text or answer.state}")
        one = answer.qualified
        if one is not None and (one.last_trade_date is None or one.last_trade_date >= session):
            found.append(one)
    return found[:DELIVERIES]


def _bars(
    spec: ContractSpec, one: QualifiedContract, answer: BarsAnswer, session: date
) -> ContractBars:
    """Completed sessions in the store's price unit. The forming session is not a bar."""
    if answer.state is AnswerState.UNKNOWN:
        raise _NotAnswered(f"{one.contract}: {answer.text or 'no answer'}")
    rows = answer.completed(session)

    def prices(name: str) -> list[float]:
        return [float(spec.from_ib(getattr(row, name))) for row in rows]

    return ContractBars(
        symbol=one.contract.symbol,
        sessions=np.array([row.session for row in rows], dtype="datetime64[D]"),
        open=np.array(prices("open"), dtype=np.float64),
        high=np.array(prices("high"), dtype=np.float64),
        low=np.array(prices("low"), dtype=np.float64),
        close=np.array(prices("close"), dtype=np.float64),
        volume=np.array([_volume(row) for row in rows], dtype=np.float64),
        open_interest=np.full(len(rows), np.nan),
    )


def _volume(row: Bar) -> float:
    """IB writes −1 for a volume it does not know."""
    return float(row.volume) if row.volume >= 0 else float("nan")


def _with_stored(state: StoreState, piece: ContractBars) -> ContractBars:
    """The stored rows from before the gateway's first, and the gateway's."""
    if piece.symbol not in state.contracts:
        return piece
    stored = state.contract_bars(piece.symbol)
    before = stored.rows(slice(0, int(stored.sessions.searchsorted(piece.sessions[0]))))
    columns = {
        name: np.concatenate([getattr(before, name), getattr(piece, name)]) for name in BAR_COLUMNS
    }
    sessions = np.concatenate([before.sessions, piece.sessions])
    return ContractBars(symbol=piece.symbol, sessions=sessions, **columns)


def _record(
    spec: ContractSpec, one: QualifiedContract, calendar: str, bars: ContractBars
) -> ContractRecord:
    if spec.point_value is None:
        raise DataError(f"{spec.root} has no constant point value")
    notice = _first_notice(spec, one.contract.month, calendar)
    return ContractRecord(
        symbol=one.contract.symbol,
        root=spec.root,
        contract_month=one.contract.month.yyyymm,
        currency=spec.currency,
        exchange=spec.ib_exchange,
        point_value=float(spec.point_value * spec.vendor_to_ib_scale),
        tick_size=float(spec.from_ib(spec.tick_size)),
        first_session=bars.sessions[0].item(),
        last_session=bars.sessions[-1].item(),
        first_notice=notice,
        last_trade=one.last_trade_date,
        auto_close=_auto_close(spec, one, notice, calendar),
        calendar=calendar,
        name=spec.name,
        sector=spec.sector,
    )


def _first_notice(spec: ContractSpec, month: ContractMonth, calendar: str) -> date | None:
    """By the exchange's general rule; None where there is no notice, or no rule."""
    rule = _notice_rule(spec.root)
    if not rule:
        return None
    delivery = date(month.year, month.month, 1)
    around = timedelta(days=70)
    sessions = market_sessions(calendar, delivery - around, delivery + around)
    at = rule_positions(rule, np.array([np.datetime64(delivery, "M")]), sessions)
    day: date = sessions.days[int(at[0])].item()
    return day


def _notice_rule(root: str) -> str | None:
    """The rule; empty for a market without notice, None for one that is not in the table."""
    try:
        (known,) = generated_roots([root])
    except DataError:
        return None
    return known.first_notice_rule


def _auto_close(
    spec: ContractSpec, one: QualifiedContract, notice: date | None, calendar: str
) -> date:
    ends = [day for day in (notice, one.last_trade_date) if day is not None]
    if not ends or (spec.settlement is Settlement.PHYSICAL and _notice_rule(spec.root) is None):
        ends.append(date(one.contract.month.year, one.contract.month.month, 1))
    return earlier_session(calendar, min(ends), _AUTO_CLOSE_LEAD_SESSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    added: int = 0
    revisions: tuple[Revision, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


async def _update_rates(
    path: Path, gateway: HistoryGateway, session: date, now: datetime
) -> _Rates:
    """The days that are missing and the last weeks again; of a new currency as many as of bars."""
    state = StoreState.open(path)
    foreign = [Currency(name) for name in sorted(state.contracts.currencies() - {"USD"})]
    if not foreign:
        return _Rates()
    newest = [state.fx.last_day(currency) for currency in foreign]
    sessions = HISTORY_SESSIONS
    known = [day for day in newest if day is not None]
    if len(known) == len(foreign):
        since = date(1970, 1, 1) + timedelta(days=min(known)) - OVERLAP
        sessions = int(np.busday_count(since, session)) + 5
    answer = await gateway.fx_history(foreign, base=Currency("USD"), sessions=sessions)
    series = {str(c): _series(c, days, session) for c, days in answer.rates.items()}
    with MarketStoreWriter(path) as writer:
        added, revisions = writer.update_rates(
            {currency: rates for currency, rates in series.items() if len(rates)}, recorded_at=now
        )
    failed = {str(currency): why for currency, why in answer.missing.items()}
    return _Rates(added=added, revisions=tuple(revisions), failed=failed)


def _series(currency: Currency, days: Sequence[FxRate], session: date) -> FxSeries:
    kept = [day for day in days if day.as_of <= session]
    return FxSeries(
        currency=str(currency),
        sessions=np.array([day.as_of for day in kept], dtype="datetime64[D]"),
        usd_per_unit=np.array([float(day.rate) for day in kept], dtype=np.float64),
    )
