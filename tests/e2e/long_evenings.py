"""Plays the evenings of a long desk, with the person's part, and compares after each of them.

What is compared beside the desk's own words is in ``long_checks``.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from afterclose import by_hand, nightly, tws_sim
from afterclose import clock as calendar
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.bootstrap import open_desk
from afterclose.clock import ManualClock
from afterclose.domain.audit import Reconciliation
from afterclose.domain.contracts import FuturesContract, MappedContract
from afterclose.domain.nav import NavHistory
from afterclose.domain.order_life import lives
from afterclose.domain.orders import EventKind, OrderState
from afterclose.errors import AfterCloseError, NotApproved
from afterclose.evening import run_files, unfinished
from afterclose.evening.desk import Desk
from afterclose.settings import load
from e2e import long_checks
from e2e.long_desk import ACCOUNT, ROOTS, InProcessRunner, LongDesk
from integration.ibkr.gateways import desk_of
from make import make_order

#: After the break of Globex, when the markets of the next session are open.
AFTER_THE_BREAK = timedelta(minutes=65)
#: After the close, before the break ends: the day's last word.
AFTER_THE_CLOSE = timedelta(minutes=10)
#: The gateway forgets executions at midnight in New York.
BEFORE_MIDNIGHT, GATEWAY_ZONE = time(23, 45), ZoneInfo("America/New_York")
#: So long before midnight, and what fills after it nobody is told.
LAST_LOOK = timedelta(minutes=15)
#: Dollars a day that may stay without explanation: rates and prices are rounded somewhere.
REST = Decimal(25)
#: Midday in Chicago, so long before the next close: somebody trades beside the desk.
BEFORE_THE_CLOSE = timedelta(hours=4)
#: A stranger's position ends within so many days, and in a contract that lasts that much longer.
STRANGERS_HOLD, LASTS = timedelta(days=4), timedelta(days=25)


@dataclass(slots=True)
class Tally:
    """What happened, in numbers."""

    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    #: The largest part of a day's drift that nothing explained, in dollars.
    rest: Decimal = Decimal(0)

    def add(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


@dataclass(slots=True)
class Evenings:
    """Plays evenings against one gateway."""

    where: LongDesk
    gateway: tws_sim.RunningGateway
    clock: ManualClock
    tally: Tally
    #: Models and roots with a break on the evening before; None: not known.
    before: frozenset[tuple[str, str]] | None = None
    #: Contracts of which a person has just said what filled.
    resolved: frozenset[str] = frozenset()

    def play(self, session: date) -> None:
        """One evening, from the close of its session to the close of the next."""
        drawn = random.Random(f"{self.where.seed}/{session}")
        self._go_to(calendar.evening_of(session) + AFTER_THE_BREAK)
        self.tally.add("evenings")
        if drawn.random() < 0.02:
            self.tally.add("evenings missed")
            self.before = None
            return
        self.where.update(session)
        with self._opened(session) as desk:
            self._settle_earlier(desk, session)
            folder, done = self._until_sent(desk, session, drawn)
            self.gateway.switch(None)
            done = replace(done, resized=self._at_tws(desk, session, drawn))
            close = calendar.evening_of(calendar.next_session(session))
            for night in self._nights(session):
                self._go_to(night - LAST_LOOK)  # markets that have opened since fill what they can
                self._go_to(night)
                if self._open_orders(desk):
                    self._settle(desk, folder)
            self._go_to(close - BEFORE_THE_CLOSE)
            strangers = asyncio.run(self._strangers(desk, drawn))
            self._go_to(close + AFTER_THE_CLOSE)
            result = self._settle(desk, folder)
            self._check(session, folder, result, desk)
            filled = {e.order_ref for e in self.gateway.executions()}  # its exchange may be closed
            traded = {con_id: who for con_id, (who, ref) in strangers.items() if ref in filled}
            self._check_causes(result, desk, replace(done, strangers=traded))

    def _at_tws(self, desk: Desk, session: date, drawn: random.Random) -> frozenset[str]:
        """Let a person act on tonight's orders at TWS; return the symbols of those he resized.

        Of what a precaution holds he sends some on, cancels some, and leaves some to their end.
        """
        ours = {order.order_ref: order for order in desk.ledger.orders(session)}
        standing = [view for view in self.gateway.orders() if view.order_ref in ours]
        for view in standing:
            if view.held:
                self.tally.add("orders held by a precaution")
                act = drawn.choice([self.gateway.send_on, self.gateway.cancel, None])
                if act is not None:
                    act(view.order_ref)
        working = [v for v in standing if v.status in {"PreSubmitted", "Submitted"}]
        if not working or drawn.random() > 0.1:
            return frozenset()
        view = drawn.choice(working)
        size = int(view.quantity) + drawn.choice([-1, 1])
        if size <= view.filled:
            return frozenset()
        self.gateway.change(view.order_ref, quantity=size)
        self.tally.add("orders resized at TWS")
        return frozenset({ours[view.order_ref].contract.symbol})

    def _settle_earlier(self, desk: Desk, session: date) -> None:
        """What ``afterclose tonight`` does first: evenings whose orders were not over."""
        for past in reversed(unfinished.past_evenings(desk.settings.runs, desk.ledger, session)):
            if past.open_to_settle:
                self.tally.add("evenings settled later")
                self._settle(desk, past.folder)

    async def _strangers(self, desk: Desk, drawn: random.Random) -> dict[int, tuple[int, str]]:
        """Let somebody else trade, now and then; return where, by which client, its name."""
        held = {con_id: n for con_id, n in long_checks.by_hand(self.gateway).items() if n}
        if held and self._since_last_stranger() < STRANGERS_HOLD and drawn.random() < 0.5:
            return {}
        if not held and drawn.random() > 0.06:
            return {}
        async with desk.open_reader() as reader:
            wanted = [
                MappedContract(contract=contract, spec=desk.specs[contract.root])
                for contract in self._traded(desk)
            ]
            names = [a.qualified for a in (await reader.qualify(wanted)).values() if a.qualified]
        last = (self.clock.now() + LASTS).date()
        lasting = [
            n
            for n in names
            if n.con_id in held
            or (not held and n.last_trade_date is not None and n.last_trade_date > last)
        ]
        if not lasting:
            return {}
        one = drawn.choice(sorted(lasting, key=lambda name: name.con_id))
        client = drawn.choice([long_checks.HAND_CLIENT, long_checks.OTHER_CLIENT])
        signed = -held[one.con_id] if held else drawn.choice([-2, -1, 1, 2])
        order = make_order(
            one.contract.symbol,
            signed,
            mapped=MappedContract(contract=one.contract, spec=desk.specs[one.contract.root]),
            order_ref=f"{long_checks.BY_HAND}{one.con_id}-{len(self.gateway.executions())}",
            order_type="MKT",
            account=ACCOUNT,
            session=calendar.session_at(self.clock.now()),
        )
        async with desk_of(self.gateway, order, client_id=client) as stranger:
            await stranger.place(order, one)
            await stranger.sweep()
        self.tally.add("trades beside the desk")
        return {one.con_id: (client, order.order_ref)}

    def _traded(self, desk: Desk) -> list[FuturesContract]:
        """Contracts of the last evenings, and those in which strangers hold something."""
        return sorted({life.order.contract for life in long_checks.recent_lives(desk)})

    def _since_last_stranger(self) -> timedelta:
        times = [
            e.at for e in self.gateway.executions() if e.order_ref.startswith(long_checks.BY_HAND)
        ]
        return self.clock.now() - max(times)

    def _check_causes(self, result: Reconciliation, desk: Desk, done: long_checks.Drawn) -> None:
        found = [
            *long_checks.wrong_positions(desk, result, self.gateway, self.resolved),
            *long_checks.wrong_causes(desk, result, self.gateway, done, self.before),
        ]
        self.tally.wrong.extend(f"{result.session}: {each}" for each in found)
        self.before = long_checks.broken(result)

    def _until_sent(
        self, desk: Desk, session: date, drawn: random.Random
    ) -> tuple[RunFolder, long_checks.Drawn]:
        scenario = draw_scenario(drawn)
        done = long_checks.Drawn(scenario=scenario)
        self.gateway.switch(tws_sim.Scenario.from_toml(scenario))
        folder = asyncio.run(nightly.prepare(desk, session))
        try:
            shown = run_files.read_view(folder)
            refs = [r.order.order_ref for r in shown.audit.rows]
            exclude = frozenset(r for r in refs if drawn.random() < 0.04)
            done = replace(done, excluded=exclude)
            if refs and drawn.random() < 0.02:
                nightly.reject(desk, folder, reviewer="Ann", note="not today", rewrite=False)
                self.tally.add("evenings rejected")
                return folder, replace(done, rejected=True)
            nightly.approve(
                desk, folder, reviewer="Ann", note="read", exclude=exclude, rewrite=False
            )
        except NotApproved:
            self.tally.add("evenings without orders")
            return folder, done
        for _attempt in range(2):  # what an unattended desk does: a second time, a minute later
            try:
                asyncio.run(nightly.trade(desk, folder, on_event=lambda _event: None))
            except AfterCloseError as error:
                self.tally.add(f"sending stopped: {type(error).__name__}")
            self.gateway.switch(None)
            if not self._unsent(desk, session):
                break
        return folder, done

    def _unsent(self, desk: Desk, session: date) -> bool:
        known = lives(desk.ledger.orders(session), desk.ledger.events(session))
        return any(life.state is OrderState.INTENDED for life in known.values())

    @contextmanager
    def _opened(self, session: date) -> Iterator[Desk]:
        desk = open_desk(
            load(self.where.home),
            self.clock,
            say=lambda _text: None,
            runner=InProcessRunner(),
            session=session,
        )
        try:
            yield desk
        finally:
            if isinstance(desk.ledger, SqlLedger):
                desk.ledger.close()

    def _go_to(self, when: datetime) -> None:
        if when > self.gateway.now:
            self.gateway.advance_to(when)
        self.clock.move(max(when, self.clock.now()))

    def _nights(self, session: date) -> Iterator[datetime]:
        """A quarter before every midnight until the next close."""
        begin = calendar.evening_of(session).astimezone(GATEWAY_ZONE).date()
        end = calendar.evening_of(calendar.next_session(session))
        for days in range((end.date() - begin).days + 1):
            at = datetime.combine(begin + timedelta(days=days), BEFORE_MIDNIGHT, GATEWAY_ZONE)
            if at < end:
                yield at.astimezone(UTC)

    def _open_orders(self, desk: Desk) -> bool:
        """Whether an order of tonight or of an earlier evening may still fill."""
        out = (OrderState.INTENDED, OrderState.UNKNOWN)
        recent = list(long_checks.recent_lives(desk))
        return any(k.held or (not k.state.final and k.state not in out) for k in recent)

    def _settle(self, desk: Desk, folder: RunFolder) -> Reconciliation:
        return asyncio.run(nightly.settle(desk, folder))

    def _check(self, session: date, folder: RunFolder, result: Reconciliation, desk: Desk) -> None:
        """Compare everything with the gateway's own book."""
        history = run_files.read_nav(folder)
        if history is not None and history.days:
            self._same_value(history)
        self.tally.add("orders", len(result.outcomes))
        for outcome in result.outcomes:
            self.tally.add(f"orders {outcome.state}")
        for finding in result.findings:
            self.tally.add(f"finding {finding.code}")
        self._same_executions(session, desk)
        for each in result.breaks:
            self.tally.add(f"break {each.cause.value}")
        self._resolve(session, desk)
        named = {f.subject for f in result.findings}
        for check in result.positions:
            if not check.agrees and check.symbol not in named:
                self.tally.wrong.append(f"{session}: {check} and nobody says so")

    def _resolve(self, session: date, desk: Desk) -> None:
        """The person looks in TWS for what is unknown: here, in the gateway's own book."""
        self.resolved = frozenset()
        there = {o.order_ref for o in self.gateway.orders() if not o.held}
        held = {o.order_ref for o in self.gateway.orders() if o.held}
        for life in long_checks.recent_orders(desk):
            ref = life.order.order_ref
            if life.state is not OrderState.UNKNOWN or ref in held:
                continue
            late = [e for e in self.gateway.executions() if e.order_ref == ref and _untold(e)]
            if late:  # TWS's trade log has them, and nobody asked before midnight
                done = sum(int(e.quantity) for e in late)
                price = sum((e.price * e.quantity for e in late), Decimal(0)) / done
                by_hand.settle_unknown(
                    desk, ref, by="Ann", why="the trade log has it", filled=done, price=price
                )
                self.resolved |= {life.order.contract.symbol}
                self.tally.add("fills after the last look, told by a person")
            elif ref in there:
                self.tally.wrong.append(f"{session}: {ref} is unknown, and the gateway has it")
            else:
                by_hand.settle_unknown(desk, ref, by="Ann", why="it is nowhere in TWS")
                self.tally.add("orders resolved by a person")

    def _same_value(self, history: NavHistory) -> None:
        """The parts of a drift are the drift, and what no part explains is small or named."""
        day = history.days[-1]
        self.tally.add("days of value compared")
        if day.parts.total != day.drift:
            self.tally.wrong.append(f"{day.session}: {day.parts.total} is not {day.drift}")
        if day.unknown:
            self.tally.add("days of value with a name for what is not known")
            return
        self.tally.rest = max(abs(day.parts.rest), self.tally.rest)
        if abs(day.parts.rest) > REST:
            self.tally.wrong.append(f"{day.session}: {day.parts.rest} unexplained of {day}")

    def _same_executions(self, session: date, desk: Desk) -> None:
        """Every execution of ours at the gateway is in the ledger, and none is there besides."""
        told = {
            e.fill.exec_id: (e.fill.signed, e.fill.price)
            for e in desk.ledger.events(session)
            if e.kind is EventKind.FILL and e.fill is not None and not e.fill.by_word
        }
        names = {o.order_ref for o in desk.ledger.orders(session)}
        truth = {
            e.exec_id: (int(e.quantity) * (1 if e.action == "BUY" else -1), e.price)
            for e in self.gateway.executions()
            if e.order_ref in names and (e.exec_id in told or not _untold(e))
        }
        if told != truth:
            self.tally.wrong.append(f"{session}: the ledger has {told}, the gateway {truth}")


def _untold(execution: tws_sim.ExecutionView) -> bool:
    """Whether it came between the last look of its day and the midnight that forgets it."""
    return execution.at.astimezone(GATEWAY_ZONE).time() >= BEFORE_MIDNIGHT


def draw_scenario(drawn: random.Random) -> str:
    """Return a fault of the gateway, or none, for the sending of one evening."""
    root = drawn.choice(ROOTS)
    if drawn.random() < 0.5:
        return ""
    return drawn.choice(
        [
            f"[orders]\npartial_fills = {{ {root!r} = 1 }}",
            f"[orders]\nreject = {{ {root!r} = 'no trading permission' }}",
            f"[orders]\nhold = {{ {root!r} = 'above the size limit' }}",
            "[orders]\nduplicate_callbacks = true",
            "[orders]\nreverse_callbacks = true",
            "[orders]\nno_callback = [2]",
            "[orders]\ndrop_after = [2]",
            "[orders]\ndrop_before = [1]",
            f"[data]\nno_data = [{root!r}]",
            f"[data]\nno_permission = [{root!r}]",
            f"[contracts]\nunknown = [{root!r}]",
            f"[data]\nprice_shift = {{ {root!r} = '1.5%' }}",
            "[connection]\nroll_back_ids = true",
        ]
    )


def play(
    where: LongDesk,
    *,
    first: date,
    last: date,
    tally: Tally,
    go_on: Callable[[date], bool] = lambda _session: True,
) -> None:
    """Play every evening from first to last; ``go_on`` is asked after each month."""
    where.make()
    clock = ManualClock(calendar.evening_of(first))
    for sessions in where.months(first, last):
        with where.gateway(sessions) as gateway:
            evenings = Evenings(where, gateway, clock, tally)
            for session in sessions:
                try:
                    evenings.play(session)
                except Exception:  # noqa: BLE001 - the next evening is played all the same
                    tally.wrong.append(f"{session}: {traceback.format_exc()}")
        if not go_on(sessions[-1]):
            return
