"""A paper gateway for a desk: its markets, its account, its port, on an evening of its own.

The gateway's clock starts five minutes after Globex has opened again on the desk's last session,
whatever the time is here, and plays the next session when it is told to. It needs bars that the
desk has not seen: the generated market's, or those of a store that reaches beyond the evening.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from afterclose import clock as calendar
from afterclose import tws_sim
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.store import MarketData, MarketStore
from afterclose.artifacts import write_atomically
from afterclose.clock import CHICAGO
from afterclose.domain.contracts import Session
from afterclose.errors import DataError, UsageError
from afterclose.settings import DataSource, Settings

FOLDER = "gateway"
#: Sessions that the gateway can play.
SESSIONS_AHEAD = 10
#: How much history the gateway has of each contract.
_HISTORY = timedelta(days=150)
#: Globex opens again an hour after its close; the evening works with the market live.
_EVENING = time(17, 5)
_LEAST_CASH = Decimal(1_000_000)
_BOOK = "book.json"
#: TWS shows executions of a week when its trade log is set so; the gateway is set so.
_SCENARIO = """\
# Faults of this gateway; a change counts while it runs (docs/paper-gateway.md).
[connection]
execution_days = 7
"""
_SCENARIO_FILE = "scenario.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskGateway:
    """What to serve. ``last`` is the last session that it can play."""

    folder: Path
    account: tws_sim.AccountSpec
    start: datetime
    last: Session
    book: Path
    scenario: Path


def evening(session: Session) -> datetime:
    """Return the gateway's time on the evening of a session: five past five in Chicago."""
    return datetime.combine(session, _EVENING, tzinfo=CHICAGO).astimezone(UTC)


def next_evening(now: datetime) -> datetime:
    """Return the evening of the session that forms at a moment."""
    return evening(calendar.next_session(calendar.session_at(now)))


def prepare_gateway(settings: Settings, session: Session) -> DeskGateway:
    """Write the market that the gateway plays. Raises UsageError where there is none to play."""
    ahead = session
    for _ in range(SESSIONS_AHEAD):
        ahead = calendar.next_session(ahead)
    if settings.data.source is DataSource.GENERATED:
        market: MarketData | MarketStore = generate(
            settings.data.roots or None,
            first=session - _HISTORY,
            last=ahead,
            seed=settings.data.seed,
        )
    else:
        market = MarketStore.open(settings.resolve(settings.data.store))
        ahead = min(ahead, market.last_session)
        if ahead <= session:
            raise UsageError(
                f"the store ends on {market.last_session}: there is no session after {session} "
                "that a gateway could play",
                hint="rehearse an earlier evening: --session, here and for 'afterclose run'",
            )
    folder = settings.home / FOLDER
    try:
        write_gateway_folder(market, folder, live_on=session, through=ahead)
    except DataError as error:
        raise UsageError(str(error), hint="choose another session") from error
    base = settings.engine.base_currency
    capital = sum((m.allocated or m.capital_base for m in settings.models), Decimal(0))
    return DeskGateway(
        folder=folder,
        account=tws_sim.AccountSpec(
            account=settings.desk.account, base=base, cash={base: max(_LEAST_CASH, 2 * capital)}
        ),
        start=max(evening(session), _time_of(folder / _BOOK)),
        last=ahead,
        book=folder / _BOOK,
        scenario=_scenario(folder / _SCENARIO_FILE),
    )


def _time_of(book: Path) -> datetime:
    """A gateway that was stopped goes on where it was: its time never goes back."""
    if not book.is_file():
        return datetime.min.replace(tzinfo=UTC)
    return datetime.fromisoformat(json.loads(book.read_text(encoding="utf-8"))["at"])


def _scenario(file: Path) -> Path:
    """Write the scenario once; afterwards it is the trader's own to change."""
    if not file.exists():
        write_atomically(file, _SCENARIO.encode())
    return file
