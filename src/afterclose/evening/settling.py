"""Act three of the evening, and the books of value beside it.

``settle`` reads the broker's book and the account once more and lays the desk's own records beside
both. It can be repeated, and sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN
from pathlib import Path

from afterclose import clock as calendar
from afterclose.artifacts import RunFolder
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import Reconciliation
from afterclose.domain.book_events import sweep_events
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import FuturesContract, Session, read_symbol
from afterclose.domain.findings import Finding
from afterclose.domain.market import Qualification, QualificationState
from afterclose.domain.nav import NavHistory
from afterclose.domain.order_life import OrderLife, lives
from afterclose.domain.orders import Fill, OrderState
from afterclose.domain.runs import SENT, ModelResult, RunState
from afterclose.errors import LedgerElsewhere
from afterclose.evening import nav_book, run_files, telling
from afterclose.evening.books import Books, read_books, unended_by_hand
from afterclose.evening.desk import Desk
from afterclose.evening.journal import RunJournal
from afterclose.evening.orders import held_contracts
from afterclose.ports import Ledger
from afterclose.report.evening import EveningView
from afterclose.stages import breaks, reconcile, signals


def record_value(
    desk: Desk,
    account: AccountSnapshot,
    strangers: Iterable[tuple[FuturesContract | None, Fill]] = (),
) -> None:
    """Write down what the account is worth now; nothing where the gateway did not say.

    From where the ledger may not be written the evening goes on without: whoever may will record.
    """
    record = nav_book.account_nav(account, desk.settings, desk.market, desk.specs, strangers)
    if record is None:
        return
    try:
        desk.ledger.record_nav(record)
    except LedgerElsewhere as error:
        desk.say(f"the account's value was not recorded: {error}")


def value_history(desk: Desk, results: Iterable[ModelResult]) -> NavHistory:
    """Compare everything recorded so far with the models."""
    return nav_book.history(desk.ledger, desk.market, desk.specs, desk.settings, results)


def write_value(
    desk: Desk, folder: RunFolder, results: Iterable[ModelResult] | None = None
) -> Sequence[Path]:
    """Write the comparison into a run's folder; by default with the models' results there."""
    known = run_files.read_results(folder) if results is None else results
    return run_files.write_nav(folder, value_history(desk, known))


def decided_view(desk: Desk, folder: RunFolder, shown: EveningView) -> EveningView:
    """Return what was shown with what was decided and done since, by manifest and ledger."""
    manifest = RunJournal.resume(folder, desk.clock).manifest
    approval = desk.ledger.approval(manifest.run_id)
    return replace(shown, manifest=manifest, approval=approval, written_at=desk.clock.now())


async def settle(desk: Desk, folder: RunFolder) -> Reconciliation:
    """Act three, when the session is over: what became of the orders, and who holds what.

    An evening of which nothing left stays what it was: it can still be decided and sent.
    """
    run = RunJournal.resume(folder, desk.clock, to=RunState.SETTLED)
    session = run.manifest.session
    with run.stage("settle") as stage:
        async with desk.reader(stage.says) as reader:
            sweep = await reader.sweep()
            write_down(desk.ledger, run.manifest.run_id, session, sweep)
            books = read_books(desk.ledger, (m.name for m in desk.settings.models), session)
            held = books.held_together()
            account = await reader.account(desk.settings.desk.account)
            wanted = {*held, *_unknown(books), *_held_before(desk), *_in_account(desk, account)}
            names = await reader.qualify(held_contracts(desk.specs, sorted(wanted)))
        shown = run_files.read_view(folder)  # what the orders did is kept, also where this fails
        result = reconcile.reconcile(
            reconcile.ReconcileInputs(
                run_id=run.manifest.run_id,
                session=session,
                as_of=desk.clock.now(),
                lives=tuple(books.past.values()),
                netting=books.netting,
                held=held,
                names={
                    c: q.qualified
                    for c, q in names.items()
                    if q.state is QualificationState.FOUND and q.qualified is not None
                },
                account=account,
                closed=_closed(desk, session),
            )
        )
        result = _with_breaks(desk, folder, shown, books, sweep, result, names)
        stage.found(result.findings)
        stage.wrote(*run_files.write_result(folder, result, books.past.values(), books.netting))
        record_value(desk, account, _of_strangers(desk, sweep, names))
        stage.wrote(*write_value(desk, folder))
    if run.manifest.state in SENT or _anything_left(books):
        run.enter(RunState.SETTLED if result.settled else RunState.SUBMITTED)
    decided = replace(decided_view(desk, folder, shown), reconciliation=result)
    run_files.write_report(folder, run_files.report_files(decided))
    await asyncio.to_thread(telling.settled, desk, folder, result, unsent(desk, folder))
    return result


async def take_value(desk: Desk) -> None:
    """Record what the account is worth and what others traded, where no evening is settled.

    What the book tells of orders by hand, which have no evening, is written down with it.
    """
    async with desk.reader() as reader:
        sweep = await reader.sweep()
        hear(desk, sweep)
        account = await reader.account(desk.settings.desk.account)
        wanted = {*_held_before(desk), *_in_account(desk, account)}
        names = await reader.qualify(held_contracts(desk.specs, sorted(wanted)))
    record_value(desk, account, _of_strangers(desk, sweep, names))


def _of_strangers(
    desk: Desk, sweep: OrderSweep, names: Mapping[FuturesContract, Qualification]
) -> Sequence[tuple[FuturesContract | None, Fill]]:
    """Executions of no order of ours, each with its contract where that is known."""
    ours = desk.ledger.named(_told(sweep))
    known = {q.qualified.con_id: c for c, q in names.items() if q.qualified is not None}
    return [(known.get(f.con_id), f) for f in sweep.fills if f.order_ref not in ours]


def hear(desk: Desk, sweep: OrderSweep) -> None:
    """Write down what the book tells of our orders; nothing where the ledger is another's."""
    now = desk.clock.now()
    try:
        write_down(desk.ledger, f"look-{now:%Y%m%d-%H%M%S}", calendar.session_at(now), sweep)
    except LedgerElsewhere as error:
        desk.say(f"what the broker's book tells was not written down: {error}")


def write_down(ledger: Ledger, run_id: str, session: Session, sweep: OrderSweep) -> None:
    """Write down what the broker's book tells, and does not tell, of our orders."""
    ledger.append_events(run_id, sweep_events(lives_in(ledger, session, sweep), sweep))


def lives_in(ledger: Ledger, session: Session, sweep: OrderSweep) -> Mapping[str, OrderLife]:
    """Return the orders of a session, and of every other one that the book can tell of.

    Those are orders that are in it (one for a day on which its exchange was closed works on; the
    gateway tells its executions until midnight, and by then a later evening is the one that is
    looked at), and orders by hand whose end nobody has seen: where the whole book does not show
    them they are unknown, and a person can say what became of them.
    """
    sessions = {session, *(order.session for order in ledger.named(_told(sweep)).values())}
    sessions |= unended_by_hand(ledger, session)
    known: dict[str, OrderLife] = {}
    for each in sorted(sessions):
        known.update(lives(ledger.orders(each), ledger.events(each)))
    return known


def _told(sweep: OrderSweep) -> frozenset[str]:
    """References in the broker's book, ours and others'."""
    orders = (*sweep.open_orders, *sweep.completed_orders)
    return frozenset({o.order_ref for o in orders} | {f.order_ref for f in sweep.fills}) - {""}


def _unknown(books: Books) -> Iterable[FuturesContract]:
    """Contracts of orders whose fate is not known: the account may hold what they filled."""
    unknown = (b for b in books.past.values() if b.state is OrderState.UNKNOWN)
    return (life.order.contract for life in unknown)


def _in_account(desk: Desk, account: AccountSnapshot) -> Iterable[FuturesContract]:
    """Contracts that the account holds now: each is called by our name from the first day on."""
    named = nav_book.gateway_names(desk.specs)
    found = (named(position) for position in account.positions or ())
    return (contract for contract in found if contract is not None)


def _held_before(desk: Desk) -> Iterable[FuturesContract]:
    """Contracts that the account held when it was last recorded: somebody may have closed them."""
    last = next(reversed(desk.ledger.navs(desk.settings.desk.account)), None)
    if last is None or last.positions is None:
        return ()
    return (read_symbol(symbol, on=last.session) for symbol in last.positions)


def _anything_left(books: Books) -> bool:
    """Whether an order of the session left, by whatever run of it, or by hand."""
    return any(state is not OrderState.INTENDED for state in books.states.values())


def _closed(desk: Desk, session: Session) -> bool:
    """Whether what has not left can leave no more, by whatever run of the session.

    Should a person prepare and approve the old session once more, settling again tells the truth.
    """
    now = desk.clock.now()
    if now < calendar.evening_of(calendar.next_session(session)):
        return False
    runs = desk.settings.runs.glob(f"{session.isoformat()}-*")
    decisions = [desk.ledger.approval(run.name) for run in runs]
    return all(each is None or now >= each.expires_at for each in decisions)


def unsent(desk: Desk, folder: RunFolder) -> str:
    """Say that nothing of an evening was sent, and what stands instead; empty when orders left."""
    manifest = RunJournal.resume(folder, desk.clock).manifest
    if manifest.state in SENT:
        return ""
    approval = desk.ledger.approval(manifest.run_id)
    if manifest.state is RunState.NO_TRADES:
        dropped = bool(run_files.read_view(folder).dropped)
        stands = "no trade became an order" if dropped else "the models trade nothing"
    elif approval is None:
        cleared = len(run_files.read_view(folder).audit.cleared_orders())
        stands = f"not approved, {cleared} cleared orders"
    elif not approval.order_refs:
        stands = f"rejected by {approval.reviewer}"
    else:
        over = desk.clock.now() >= approval.expires_at
        stands = (
            f"{len(approval.order_refs)} approved orders, and the approval "
            f"{'ended' if over else 'ends'} {approval.expires_at:%Y-%m-%d %H:%M} UTC"
        )
    return f"nothing was sent: {stands}"


def _with_breaks(
    desk: Desk,
    folder: RunFolder,
    shown: EveningView,
    books: Books,
    sweep: OrderSweep,
    result: Reconciliation,
    names: Mapping[FuturesContract, Qualification],
) -> Reconciliation:
    """Name every difference between models, desk and account."""
    approval = desk.ledger.approval(shown.audit.run_id)
    before_session, before = run_files.breaks_before(desk.settings.runs, shown.audit.session)
    found = breaks.breaks(
        breaks.BreakInputs(
            session=calendar.session_at(desk.clock.now()),
            wanted=_wanted(desk, folder),
            held=books.held,
            rows=shown.audit.rows,
            approved=None if approval is None else frozenset(approval.order_refs),
            lives=books.past,
            dropped=_dropped(shown),
            flattened={m.name: desk.ledger.flattened(m.name) for m in desk.settings.models},
            checks=result.positions,
            names={c: q.qualified for c, q in names.items() if q.qualified is not None},
            sweep=sweep,
            ours=frozenset(desk.ledger.named(_told(sweep))),
            adopted=_adopted_since(desk, shown.audit.session),
            before=before,
            before_session=before_session,
        )
    )
    findings = (*result.findings, *breaks.break_findings(found))
    return replace(result, breaks=found, findings=findings)


def _adopted_since(desk: Desk, session: Session) -> Mapping[str, frozenset[FuturesContract]]:
    """Contracts on which a person gave his word after a session's close, by model."""
    close = calendar.evening_of(session)
    return {
        model.name: frozenset(c for at, c, _ in desk.ledger.adoptions(model.name) if at >= close)
        for model in desk.settings.models
    }


def _dropped(shown: EveningView) -> Sequence[tuple[str, Finding]]:
    """Findings of trades that became no order, each with its model; without, as older views are."""
    models = shown.dropped_of or ("",) * len(shown.dropped)
    return tuple(zip(models, shown.dropped, strict=True))


def _wanted(desk: Desk, folder: RunFolder) -> Mapping[str, Mapping[FuturesContract, int]]:
    """What each model holds after the evening's orders, in the account's size."""
    rule, models = desk.settings.basket.trades_from, {m.name: m for m in desk.settings.models}
    return {
        result.model: {
            contract: int((quantity * models[result.model].scale).to_integral_value(ROUND_DOWN))
            for contract, quantity in signals.tonight(result, rule).target.items()
        }
        for result in run_files.read_results(folder)
        if result.model in models
    }
