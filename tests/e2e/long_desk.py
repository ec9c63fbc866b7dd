"""A desk that runs for months: generated market, paper gateway, every evening unattended.

Everything is the product's own but three things: the clock, which jumps from act to act; the
process of the models, which is this one, since Zipline takes seconds to start; and the person,
whose decisions are drawn. Now and then somebody trades beside the desk, at TWS or by a program of
his own. The gateway is restarted every month with its book, on that market. Its evenings are played
by ``long_evenings``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Lock

from afterclose import clock as calendar
from afterclose import tws_sim
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.generated_source import GeneratedSource
from afterclose.adapters.marketdata.update import update_store
from afterclose.adapters.zipline import wire
from afterclose.adapters.zipline.desk_runner import earlier_runs
from afterclose.adapters.zipline.runner import read_result
from afterclose.domain.runs import ModelRequest, ModelResult

ACCOUNT = "DU1234567"
ROOTS = ("CL", "ES", "FESX", "FGBL", "GC", "HG", "ZC", "ZN")
WARM = timedelta(days=500)
FIRST_CASH = Decimal(5_000_000)

MODEL = '''\
"""Channel breakouts, or their contrary, on the current contract of each market; with rolls.

Not to be traded: it is made to enter, add, reduce, reverse, exit and roll often.
"""

from zipline.api import continuous_future, order, set_commission, set_slippage
from zipline.errors import SymbolNotFound
from zipline.finance.commission import PerContract
from zipline.finance.slippage import FixedSlippage

ROOTS = {roots!r}


def initialize(context):
    set_commission(us_futures=PerContract(cost=0.85, exchange_fee=0.0))
    set_slippage(us_futures=FixedSlippage(spread=0.0))
    context.sign = int(getattr(context, "parameters", {{}}).get("sign", 1))
    context.span = int(getattr(context, "parameters", {{}}).get("span", 10))
    context.markets = []
    for root in ROOTS:
        try:
            context.markets.append(continuous_future(root, roll="volume"))
        except SymbolNotFound:
            continue


def handle_data(context, data):
    for market in context.markets:
        contract = data.current(market, "contract")
        if contract is None:
            continue
        closes = data.history(market, "close", context.span + 1, "1d").to_numpy()
        last, window = closes[-1], closes[:-1]
        held = {{a: p.amount for a, p in context.portfolio.positions.items() if p.amount}}
        ours = {{a: n for a, n in held.items() if a.root_symbol == market.root_symbol}}
        standing = sum(ours.values())
        wanted = standing
        if last > window.max():
            wanted = context.sign * (3 if standing * context.sign > 0 else 2)
        elif last < window.min():
            wanted = -context.sign * (3 if standing * context.sign < 0 else 2)
        elif abs(last - window.mean()) < 0.25 * window.std():
            wanted = 0
        for asset, amount in ours.items():
            if asset != contract:
                order(asset, -amount)
        change = wanted - ours.get(contract, 0)
        if change:
            order(contract, change)
'''

SETTINGS = """\
ledger = "{ledger}"

[desk]
name = "{name}"
account = "{account}"

[broker]
port = {port}
timeout_s = 60

[data]
store = "market"
source = "generated"
seed = {seed}
roots = {roots}

[[models]]
name = "BRK"
entry_point = "models/channel.py"
inception = "{inception}"
capital_base = 1000000
parameters = {{ sign = 1, span = 8 }}

[[models]]
name = "REV"
entry_point = "models/channel.py"
inception = "{inception}"
capital_base = 1000000
parameters = {{ sign = -1, span = 5 }}

[basket]
entry_offset_ticks = 4
exit_offset_ticks = 12

[audit]
size = "model"
capital = "net_liquidation"

[sending]
answer_timeout_s = 1.0
"""


#: Python 3.11 cannot parse in two threads at once (cpython issue 106905): one model, then the next.
_ONE_AFTER_THE_OTHER = Lock()


class InProcessRunner:
    """Runs models as ``DeskRunner`` does, without a process for each."""

    def run(self, request: ModelRequest, *, on_progress: Callable[[str], None]) -> ModelResult:
        from afterclose.adapters.zipline.task import do_task  # noqa: PLC0415 - costs seconds

        request.output.mkdir(parents=True, exist_ok=True)
        earlier = next(earlier_runs(request), None)
        task = wire.ModelTask(request=request, resume_from=earlier, compare_with=earlier)
        with _ONE_AFTER_THE_OTHER:
            result = do_task(task, say=on_progress, on_session=lambda *_: None)
        wire.write_json(request.output / wire.TIMING_FILE, {"seconds": 0.0, "cpu_seconds": 0.0})
        wire.write_json(request.output / wire.RESULT_FILE, wire.result_to_json(result))
        return read_result(request.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongDesk:
    """Where the desk is, and what decides everything that happens to it."""

    home: Path
    seed: int
    inception: date
    ledger: str = "sqlite:///ledger.sqlite"
    name: str = "long"

    def make(self) -> None:
        """Write models and store; what is there already is kept."""
        (self.home / "models").mkdir(parents=True, exist_ok=True)
        text = MODEL.format(roots=ROOTS)
        (self.home / "models" / "channel.py").write_text(text, encoding="utf-8")
        if not (self.home / "market").exists():
            self.update(calendar.sessions_before(self.inception, 1))

    def update(self, session: date) -> None:
        """Bring the store up to a session, from the generated market."""
        update_store(
            self.home / "market",
            GeneratedSource(today=session, seed=self.seed, only=ROOTS),
            session=session,
            now=calendar.evening_of(session),
        )

    def configure(self, port: int) -> None:
        """Write the settings."""
        text = SETTINGS.format(
            ledger=self.ledger,
            name=self.name,
            account=ACCOUNT,
            port=port,
            seed=self.seed,
            roots=list(ROOTS),
            inception=self.inception.isoformat(),
        ).replace("'", '"')
        (self.home / "afterclose.toml").write_text(text, encoding="utf-8")

    def months(self, first: date, last: date) -> Iterator[tuple[date, ...]]:
        """Sessions from first to last, month by month."""
        month: list[date] = []
        session = first
        while session <= last:
            if month and session.month != month[-1].month:
                yield tuple(month)
                month = []
            month.append(session)
            session = calendar.next_session(session)
        if month:
            yield tuple(month)

    @contextmanager
    def gateway(self, sessions: tuple[date, ...]) -> Iterator[tws_sim.RunningGateway]:
        """The gateway for some sessions, with the book of its last life."""
        through = sessions[-1] + timedelta(days=8)
        # Last trading days beyond the last day generated know no holidays: look far ahead.
        ahead = self.inception + timedelta(days=1100)
        # From the beginning on: the book of its last life may name any contract since.
        data = generate(ROOTS, first=self.inception - WARM, last=ahead, seed=self.seed)
        folder = self.home / "gateway"
        days = 120 + len(sessions)
        write_gateway_folder(data, folder, live_on=sessions[0], through=through, sessions=days)
        gateway = tws_sim.running(
            market=tws_sim.Market.from_folder(folder),
            account=tws_sim.AccountSpec(account=ACCOUNT, cash={"USD": FIRST_CASH}),
            clock=tws_sim.FrozenClock(calendar.evening_of(sessions[0])),
            state=self.home / "gateway.json",
            seed=self.seed,
        )
        with gateway:
            self.configure(gateway.port)
            yield gateway
