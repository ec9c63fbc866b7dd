"""The demo: one whole evening on the built-in market and the paper gateway, with no account.

The market is generated, the models are real Zipline runs, the gateway is a server that the broker
adapter talks to over TCP. Two things are staged, and said so in the desk's files: the account
starts with what the models already hold (less one contract, as if somebody had traded by hand), and
the gateway has a scenario with one market that has moved and one without data.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from afterclose import clock as calendar
from afterclose import nightly, tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.real_history import RealHistory
from afterclose.adapters.marketdata.store import MarketData, MarketStore, MarketStoreWriter
from afterclose.artifacts import RunFolder, write_atomically
from afterclose.bootstrap import open_desk
from afterclose.clock import CHICAGO, ManualClock
from afterclose.domain.audit import Reconciliation
from afterclose.domain.contracts import FuturesContract, RootSymbol, Session
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderEvent, TradeKind
from afterclose.domain.runs import ModelRequest, ModelResult, TradesFrom
from afterclose.evening.books import read_books
from afterclose.evening.desk import Desk
from afterclose.evening.model_runs import model_requests
from afterclose.settings import Settings, load
from afterclose.stages import signals, submit

ACCOUNT = "DU1234567"
#: The evening shown on real history: the Monday of the oil price war.
REAL_SESSION = date(2020, 3, 9)
REAL_FIRST_SESSION = date(2010, 1, 4)
#: The evening that the demo shows unless told otherwise.
SESSION = date(2026, 10, 26)
SEED = 1
FIRST_SESSION = date(2022, 1, 3)
#: Sessions between the models' start and tonight.
INCEPTION_SESSIONS = 60
#: How much history the gateway has of each contract.
GATEWAY_HISTORY = timedelta(days=150)
#: The gateway plays tomorrow from bars that the desk has not seen.
SESSIONS_AHEAD = 2
CASH = {"USD": Decimal(22_000_000), "EUR": Decimal(250_000)}
#: Globex opens again an hour after its close; the evening works with the market live.
AUDIT_TIME = time(17, 5)

SETTINGS = """\
# The demo's desk. Everything here is a setting of the product.
ledger = "sqlite:///ledger.sqlite"

[desk]
name = "demo"
account = "{account}"
mode = "paper"
reviewer = "demo"

[data]
store = "market"

[engine]
rolls = "causal"
currency = "account"

[[models]]
name = "TF"
entry_point = "afterclose.models.trend_following"
inception = "{inception}"
capital_base = 10000000
roots = {roots}

[[models]]
name = "MR"
entry_point = "afterclose.models.mean_reversion"
inception = "{inception}"
capital_base = 10000000
roots = {roots}

[audit]
capital = "usd_cash"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """What to show. ``full`` starts the models in the market's first year.

    ``real_data`` is a folder of real futures history to play the evening on, instead of the
    generated market.
    """

    out: Path
    session: Session = SESSION
    seed: int = SEED
    full: bool = False
    real_data: Path | None = None

    @property
    def first_session(self) -> Session:
        """Where the market's history begins."""
        return REAL_FIRST_SESSION if self.real_data else FIRST_SESSION

    @property
    def market(self) -> str:
        """The market in words."""
        if self.real_data:
            return f"real history from {self.real_data.name}"
        return f"generated market, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEvening:
    """What the demo left behind."""

    folder: RunFolder
    approval: Approval
    lives: tuple[OrderLife, ...]
    result: Reconciliation


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrator:
    """Where the demo's progress goes."""

    say: Callable[[str], None]
    act: Callable[[str], None]
    order: Callable[[OrderEvent], None]


class _Remembered:
    """A runner that gives results made a moment ago, with their files moved into the run."""

    def __init__(self, results: Iterable[ModelResult]) -> None:
        self._results = {r.model: r for r in results}

    def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
        """Return the model's result. The request is the same but for the folder."""
        result = self._results[request.model.name]
        on_progress(f"run to {result.last_session}")
        request.output.mkdir(parents=True, exist_ok=True)
        files = {
            name: Path(shutil.copy2(path, request.output / path.name))
            for name, path in sorted(result.files.items())
        }
        return replace(result, files=files)


async def run(request: DemoRequest, narrator: Narrator) -> DemoEvening:
    """Run the whole evening and leave a desk folder that can be looked at."""
    if not calendar.is_session(request.session):
        request = replace(request, session=calendar.session_on_or_before(request.session))
    home = request.out
    clock = ManualClock(_evening(request.session))
    narrator.act(f"The market of {request.session}: {request.market}")
    settings = _make_desk(request, narrator)
    with ExitStack() as stack:
        desk = open_desk(settings, clock, say=narrator.say)
        stack.callback(_close, desk)
        narrator.act("The models, run by Zipline")
        results = signals.run(
            desk.runner,
            model_requests(desk, request.session, home / "models"),
            on_progress=narrator.say,
        )
        nights = [signals.tonight(r, TradesFrom.ORDERS) for r in results]
        held = _adopt(desk, nights, at=clock.now())
        gateway = stack.enter_context(_gateway(home, desk, nights, held, clock))
        desk = open_desk(
            _at(settings, gateway.port), clock, say=narrator.say, runner=_Remembered(results)
        )
        stack.callback(_close, desk)
        return await _acts(desk, request, gateway, clock, narrator)


async def _acts(
    desk: Desk,
    request: DemoRequest,
    gateway: tws_sim.RunningGateway,
    clock: ManualClock,
    narrator: Narrator,
) -> DemoEvening:
    narrator.act(f"Prepare: trades, basket, audit against 127.0.0.1:{gateway.port}")
    folder = await nightly.prepare(desk, request.session)
    narrator.act("Approve: by flag, as a person would after reading the report")
    approval = nightly.approve(
        desk, folder, reviewer="demo", note="demo evening: warnings read and accepted"
    )
    narrator.say(f"{len(approval.order_refs)} orders approved, digest {approval.digest[:12]}…")
    narrator.act("Send: each order once, the first one alone")
    after = _evening(calendar.next_session(request.session))

    async def tomorrow(_orders: submit.Following) -> None:
        narrator.act(f"Tomorrow: the gateway plays the session until {after:%Y-%m-%d %H:%M} UTC")
        await asyncio.to_thread(gateway.advance_to, after)
        clock.move(after)

    await nightly.trade(desk, folder, on_event=narrator.order, follow=tomorrow)
    narrator.act("Settle: fills, positions, breaks")
    result = await nightly.settle(desk, folder)
    books = read_books(desk.ledger, (), request.session)
    return DemoEvening(
        folder=folder, approval=approval, lives=tuple(books.past.values()), result=result
    )


def _evening(session: Session) -> datetime:
    """Five past five in Chicago: Globex has opened for the next session."""
    return datetime.combine(session, AUDIT_TIME, tzinfo=CHICAGO).astimezone(UTC)


def _make_desk(request: DemoRequest, narrator: Narrator) -> Settings:
    home = request.out
    for name in ("market", "gateway", "models", "runs"):
        shutil.rmtree(home / name, ignore_errors=True)
    for file in home.glob("ledger.sqlite*"):
        file.unlink()
    store = _make_market(request, narrator)
    text = SETTINGS.format(
        account=ACCOUNT, inception=_inception(request).isoformat(), roots=json.dumps(_roots(store))
    )
    write_atomically(home / "afterclose.toml", text.encode())
    return load(home)


def _inception(request: DemoRequest) -> Session:
    if request.full:
        first = request.first_session
        return calendar.session_on_or_before(first.replace(year=first.year + 1))
    return calendar.sessions_before(request.session, INCEPTION_SESSIONS)


def _roots(store: MarketStore) -> list[str]:
    """Markets that the models may trade: those that the contract table knows."""
    known = packaged_specs()
    return sorted(r for r in store.roots() if RootSymbol(r) in known)


def _make_market(request: DemoRequest, narrator: Narrator) -> MarketStore:
    """Write the store up to tonight, and the gateway's folder up to the day after tomorrow."""
    ahead = request.session
    for _ in range(SESSIONS_AHEAD):
        ahead = calendar.next_session(ahead)
    known = _history(request, request.first_session, request.session)
    with MarketStoreWriter(request.out / "market") as writer:
        writer.write_all(known, source=request.market)
    tomorrow = _history(request, request.session - GATEWAY_HISTORY, ahead)
    folder = write_gateway_folder(
        tomorrow, request.out / "gateway", live_on=request.session, through=ahead
    )
    store = MarketStore.open(request.out / "market")
    narrator.say(
        f"{len(store.roots())} markets, {len(store.contracts())} contracts, "
        f"{folder.contracts} of them listed tonight"
    )
    return store


def _history(request: DemoRequest, first: Session, last: Session) -> MarketData:
    if request.real_data:
        return RealHistory(folder=request.real_data).load(first=first, last=last)
    return generate(first=first, last=last, seed=request.seed)


def _adopt(
    desk: Desk, nights: Sequence[signals.ModelTonight], *, at: datetime
) -> Mapping[FuturesContract, int]:
    """Let the desk hold what the models held before tonight's orders."""
    ledger = desk.ledger
    if not isinstance(ledger, SqlLedger):
        raise TypeError("the demo keeps its own SQLite ledger")
    total: dict[FuturesContract, int] = {}
    for night in nights:
        ledger.adopt(night.model, night.before, at=at, note="demo: the model's own positions")
        for contract, quantity in night.before.items():
            total[contract] = total.get(contract, 0) + quantity
    return {c: q for c, q in sorted(total.items()) if q}


def _gateway(
    home: Path,
    desk: Desk,
    nights: Sequence[signals.ModelTonight],
    held: Mapping[FuturesContract, int],
    clock: ManualClock,
) -> tws_sim.RunningGateway:
    positions = [
        tws_sim.Holding(
            root=contract.root,
            contract_month=contract.month.yyyymm,
            quantity=quantity,
            average_price=_vendor_close(desk, contract, nights),
        )
        for contract, quantity in _traded_by_hand(held, nights).items()
        if quantity
    ]
    scenario = staged_scenario(nights)
    write_atomically(home / "gateway" / "scenario.toml", scenario.encode())
    return tws_sim.running(
        market=tws_sim.Market.from_folder(home / "gateway"),
        account=tws_sim.AccountSpec(account=ACCOUNT, base="USD", cash=CASH, positions=positions),
        clock=tws_sim.FrozenClock(clock.now()),
        scenario=tws_sim.Scenario.from_toml(scenario),
    )


def _vendor_close(
    desk: Desk, contract: FuturesContract, nights: Sequence[signals.ModelTonight]
) -> Decimal:
    close = desk.market.last_close(contract, nights[0].session)
    return close if close is not None else Decimal(0)


def _traded_by_hand(
    held: Mapping[FuturesContract, int], nights: Sequence[signals.ModelTonight]
) -> dict[FuturesContract, int]:
    """Take one contract off the largest position that tonight closes: somebody sold it in TWS."""
    closing = {
        t.contract for night in nights for t in night.trades if t.kind.closes and t.contract in held
    }
    book = dict(held)
    largest = max(
        (c for c in closing if abs(book[c]) > 1), key=lambda c: (abs(book[c]), c), default=None
    )
    if largest is not None:
        book[largest] -= 1 if book[largest] > 0 else -1
    return book


def staged_scenario(nights: Sequence[signals.ModelTonight]) -> str:
    """Choose tonight's two troubles from tonight's entries: one market moves, one has no data."""
    entries = sorted(
        {t.contract.root for night in nights for t in night.trades if t.kind is TradeKind.ENTRY}
    )
    lines = ["# The demo's two troubles, chosen from tonight's entries."]
    if len(entries) > 1:
        lines += ["[data]", f'no_data = ["{entries[-1]}"]', f'no_permission = ["{entries[-1]}"]']
    elif entries:
        lines += ["[data]"]
    if entries:
        lines += ["[data.price_shift]", f'{entries[0]} = "1.2%"']
    return "\n".join(lines) + "\n"


def _at(settings: Settings, port: int) -> Settings:
    broker = settings.broker.model_copy(update={"port": port})
    return settings.model_copy(update={"broker": broker})


def _close(desk: Desk) -> None:
    if isinstance(desk.ledger, SqlLedger):
        desk.ledger.close()
