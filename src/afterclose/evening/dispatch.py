"""What leaves of an evening, and when; and what is heard of it after. Nothing is sent here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from afterclose import clock as calendar
from afterclose.artifacts import RunFolder
from afterclose.domain.audit import AuditReport
from afterclose.domain.book_events import sweep_events
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import RootSymbol
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.netting import Transfer
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import Approval, BasketOrder, OrderEvent, OrderState
from afterclose.domain.runs import BARRED, Mode, RunState
from afterclose.domain.sending import LimitFigure, SendLimits
from afterclose.errors import BrokerError, LiveNotAllowed, NotApproved, NotPossible
from afterclose.evening import run_files, telling
from afterclose.evening.books import Books, departed
from afterclose.evening.desk import Desk
from afterclose.evening.orders import netted
from afterclose.evening.rolled import kept_flat
from afterclose.ports import Ledger
from afterclose.settings import Settings
from afterclose.stages import basket, placing, review, submit
from afterclose.stages.signals import ModelTonight


def placed(desk: Desk, tonight: basket.Basket, live: MarketSnapshot) -> basket.Basket:
    """Settle how and when each order goes, by the settings and by what its contract takes."""
    chosen = desk.settings.sending
    contracts = {o.contract: live.qualified(o.contract) for o in tonight.orders}
    made = placing.place(
        tonight.orders,
        {contract: found for contract, found in contracts.items() if found is not None},
        placing.PlacingRules(
            entry=chosen.entry_order_type,
            exit=chosen.exit_order_type,
            start=chosen.start,
            start_by_root=chosen.start_by_root,
            repricing=chosen.repricing,
            leg=chosen.leg_limit,
        ),
        now=live.as_of,
    )
    notes = {
        o.order_ref: (*tonight.notes.get(o.order_ref, ()), *made.notes[o.order_ref])
        for o in made.orders
    }
    return replace(tonight, orders=made.orders, notes=notes)


def restarts(settings: Settings, now: datetime) -> tuple[submit.Window, ...]:
    """When the gateway is next not to be counted on: its daily restart, and the weekly login."""
    broker, chosen = settings.broker, settings.sending
    takes, windows = timedelta(seconds=chosen.restart_takes_s), []
    if broker.restart != "never":
        begins = calendar.next_time_of_day(now - takes, broker.restart, broker.restart_zone)
        what = "the gateway and IBKR's servers restart"
        windows.append(submit.Window(begins=begins, ends=begins + takes, what=what))
        if chosen.weekly_login != "never":
            begins = calendar.next_sunday(now - takes, chosen.weekly_login, broker.restart_zone)
            what = "IBKR ends every login of the week"
            windows.append(submit.Window(begins=begins, ends=begins + takes, what=what))
    return tuple(windows)


def before_restart(settings: Settings) -> timedelta:
    """How long before a restart nothing is begun any more."""
    return timedelta(seconds=settings.sending.before_restart_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What ``trade`` would do now.

    ``crossing`` is what rows would buy of each other inside the desk; what crossed already is left
    out. ``models`` names the model of each of those rows. While ``stopped`` says why, nothing at
    all would go: a halt stands, the gateway restarts, or the broker's book did not come whole, and
    then it is not known either what of ``leaving`` is at the broker already.
    """

    leaving: tuple[submit.Departure, ...]
    crossing: tuple[Transfer, ...]
    models: Mapping[str, str]
    stopped: str = ""


def may_send_until(desk: Desk) -> datetime | None:
    """Return the moment from which no further order is begun; None where no restart comes.

    Raises SafetyError while a halt stands, BrokerUnavailable while the gateway restarts or is
    about to.
    """
    submit.require_not_halted(desk.ledger)
    now = desk.clock.now()
    windows, before = restarts(desk.settings, now), before_restart(desk.settings)
    submit.require_clear(windows, now, before)
    return submit.sends_until(windows, now, before)


def _stopped(desk: Desk, book: OrderSweep) -> str:
    """Say what forbids to begin anything now, as ``trade`` would; empty when nothing does."""
    halt, now = desk.ledger.halted(), desk.clock.now()
    if halt is not None:
        return f"this desk was halted at {halt.at:%Y-%m-%d %H:%M} UTC by {halt.by}: {halt.reason}"
    window = submit.standing(restarts(desk.settings, now), now, before_restart(desk.settings))
    return book.gap if window is None else window.text


def require_nothing_left(ledger: Ledger, audited: AuditReport) -> AuditReport:
    """Return what was audited when nothing of it has left, by the ledger. Raises NotPossible."""
    left = departed(ledger, audited.session, (row.order for row in audited.rows))
    if left:
        raise NotPossible(
            f"{len(left)} orders of the evening {audited.run_id} have left",
            hint=BARRED[RunState.REJECTED][RunState.SUBMITTED],
        )
    return audited


async def rehearse(desk: Desk, folder: RunFolder) -> Rehearsal:
    """Say exactly what ``trade`` would send now. No order desk is opened.

    Raises SafetyError as ``trade`` would: where nothing is approved, or where the desk traded
    since.
    """
    _, approved = approved_now(desk, folder)
    session = approved.rows[0].order.session
    async with desk.reader() as reader:
        asked = await submit.request(reader, approved)
        asked = replace(asked, orders=submit.with_attempts(asked.orders, desk.ledger))
        book = await reader.sweep()
        orders = {o.order_ref: o for o in (*desk.ledger.orders(session), *approved.orders)}
        known = lives(orders.values(), desk.ledger.events(session))
        known = lives(orders.values(), (*desk.ledger.events(session), *sweep_events(known, book)))
        waiting = submit.to_send(known, asked.orders)
        submit.refuse_overtaken(desk.ledger, waiting, asked.netting, known)
        leaving = await submit.rehearse(reader, asked, known)
    crossed = {(t.bought, t.sold) for t in desk.ledger.netting(session).transfers}
    return Rehearsal(
        leaving=leaving,
        crossing=tuple(t for t in approved.netting.transfers if (t.bought, t.sold) not in crossed),
        models=approved.netting.models(),
        stopped=_stopped(desk, book),
    )


def limit_figures(
    limits: SendLimits,
    report: AuditReport,
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    gone: Iterable[BasketOrder] = (),
) -> tuple[LimitFigure, ...]:
    """Lay the door's limits beside what tonight comes to, were all of ``orders`` sent."""
    door = submit.Door(
        limits=limits,
        closes={r.order.contract: r.close.close for r in report.rows if r.close is not None},
        rates=live.fx,
        gone=[(order, None) for order in gone],
    )
    callers = [
        submit.Caller(
            order=order,
            qualified=live.qualified(order.contract),
            quote=live.quotes.get(order.contract),
        )
        for order in orders
    ]
    return submit.measured(door, callers)


def kept_at_0(
    desk: Desk, tonight: Iterable[ModelTonight], books: Books
) -> dict[str, tuple[RootSymbol, ...]]:
    """Name per model the markets that it wants and that stay at 0 after a flattening."""
    return {
        n.model: kept_flat(n, books.held.get(n.model, {}), desk.ledger.flattened(n.model))
        for n in tonight
    }


def require_confirmed(desk: Desk, confirmed: str) -> None:
    """Let a live desk go on only when its account number was typed. Raises LiveNotAllowed."""
    account = desk.settings.desk.account
    if desk.settings.desk.mode is Mode.LIVE and confirmed.strip() != account:
        raise LiveNotAllowed(
            f"this desk trades the live account {account}",
            hint=f"to send real orders, type its number: --confirm {account}",
        )


def approved_now(desk: Desk, folder: RunFolder) -> tuple[Approval, submit.Approved]:
    """Return the approval that holds now, and what it is of. Raises SafetyError."""
    shown = run_files.read_view(folder)
    approval = review.require(
        desk.ledger.approval(shown.audit.run_id),
        shown.audit,
        account=desk.settings.desk.account,
        now=desk.clock.now(),
    )
    refs, session = frozenset(approval.order_refs), shown.audit.session
    rows = [o for o in shown.audit.cleared_orders() if o.order_ref in refs]
    going = netted(desk, rows, session)
    return review.for_orders(approval, going), submit.Approved(
        run_id=approval.run_id,
        orders=going.orders,
        netting=going,
        rows=[r for r in shown.audit.rows if r.order.order_ref in refs],
        past=lives(desk.ledger.orders(session), desk.ledger.events(session)),
        rates=shown.fx,
        limits=desk.settings.limits.as_limits(),
        guard=desk.settings.sending.as_guard(),
    )


async def watch(
    desk: Desk,
    folder: RunFolder,
    *,
    on_event: Callable[[OrderEvent], None],
    on_lost: Callable[[BrokerError], None] = lambda _error: None,
    follow: submit.Follow = submit.until_final,
) -> Mapping[str, OrderLife]:
    """Follow what was sent, and send nothing: after a restart, or when the approval is over.

    ``on_lost`` hears it when the gateway was lost on the way, as the channels do. Raises
    NotApproved when nothing of this evening was ever approved.
    """
    lost, heard_lost = telling.remembered(on_lost)
    shown = run_files.read_view(folder)
    run_id, session = shown.audit.run_id, shown.audit.session
    approval = desk.ledger.approval(run_id)
    if approval is None:
        raise NotApproved(f"the evening {run_id} was not approved: there is nothing to follow")
    known = lives(desk.ledger.orders(session), desk.ledger.events(session))
    sent = [k.order for k in known.values() if k.state is not OrderState.INTENDED]
    qualified = {r.order.contract: r.qualified for r in shown.audit.rows if r.qualified}
    async with telling.stopping(desk, session), desk.open_order_desk(approval) as order_desk:
        heard = await submit.run(
            order_desk,
            desk.ledger,
            submit.SubmitRequest(run_id=run_id, orders=sent, qualified=qualified, sends=False),
            desk.clock,
            on_event=on_event,
            on_lost=heard_lost,
            follow=follow,
        )
    await asyncio.to_thread(telling.followed, desk, session, tuple(heard.values()), lost)
    return heard
