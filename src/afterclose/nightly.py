"""★ Start here. The evening: ``prepare`` → a person decides → ``trade`` → ``settle``.

Each act is a list of stages, top to bottom; the work is in ``stages/``, which never import each
other and meet only here. An act can be repeated: ``prepare`` makes the same evening from the same
inputs, ``trade`` sends only what was never sent, ``settle`` looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

from afterclose import clock as calendar
from afterclose.artifacts import RunFolder
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import Session
from afterclose.domain.netting import with_rows
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderEvent
from afterclose.domain.runs import RunState
from afterclose.errors import BrokerError
from afterclose.evening import preparing, run_files, telling
from afterclose.evening.desk import Desk, next_restart
from afterclose.evening.dispatch import (
    approved_now,
    may_send_until,
    placed,
    require_confirmed,
    require_nothing_left,
    watch,
)
from afterclose.evening.journal import RunJournal
from afterclose.evening.settling import decided_view, settle
from afterclose.stages import review, submit

__all__ = [
    "approval_end",
    "approve",
    "decided_view",
    "prepare",
    "reject",
    "rewrite_report",
    "settle",
    "trade",
    "watch",
]


async def prepare(desk: Desk, session: Session) -> RunFolder:
    """Act one: from market data to a report that a person can decide on. Nothing is sent."""
    run = preparing.start(desk, calendar.require_session(session))
    fresh = preparing.update_data(run)
    nights = preparing.run_models(run)
    trades = preparing.map_contracts(run, nights)
    orders = preparing.make_basket(run, trades)
    seen = preparing.look_at_bars(run, orders)
    async with AsyncExitStack() as connection:
        reader, live = await preparing.ask_gateway(run, orders, connection)
        facts = await preparing.compare_mapping(run, orders, reader, live)
    preparing.value_account(run, nights, live)
    orders = placed(desk, orders, live)
    live, report, money = await preparing.audit_orders(
        run, nights, orders, trades, live, fresh, seen, facts
    )
    preparing.write_report(run, nights, orders, live, fresh, seen, report, money)
    await asyncio.to_thread(telling.prepared, desk, run.folder, report, orders.excluded)
    return run.journal.folder


def approve(
    desk: Desk,
    folder: RunFolder,
    *,
    reviewer: str,
    note: str = "",
    exclude: frozenset[str] = frozenset(),
    rewrite: bool = True,
    seen: AuditReport | None = None,
) -> Approval:
    """A person's yes, bound to exactly what the report shows. Raises NotApproved.

    ``seen`` is the audit that the person had before his eyes, the one on disk where none is given.
    Without ``rewrite`` the report is not written again at once: ``rewrite_report`` does it later.
    """
    approval = review.approve(
        seen or run_files.read_view(folder).audit,
        reviewer=reviewer,
        now=desk.clock.now(),
        until=approval_end(desk),
        note=note,
        exclude=exclude,
    )
    _decided(desk, folder, approval, RunState.APPROVED)
    if rewrite:
        rewrite_report(desk, folder)
    return approval


def approval_end(desk: Desk) -> datetime:
    """Return when a yes given now would end. Raises NotApproved just before a restart."""
    hours = timedelta(hours=desk.settings.review.valid_for_hours)
    return review.holds_until(desk.clock.now(), valid_for=hours, restart=next_restart(desk))


def reject(
    desk: Desk,
    folder: RunFolder,
    *,
    reviewer: str,
    note: str,
    rewrite: bool = True,
    seen: AuditReport | None = None,
) -> Approval:
    """A person's no. The evening can be prepared again. Raises NotPossible once orders left."""
    audited = require_nothing_left(desk.ledger, seen or run_files.read_view(folder).audit)
    decision = review.reject(audited, reviewer=reviewer, now=desk.clock.now(), note=note)
    _decided(desk, folder, decision, RunState.REJECTED)
    if rewrite:
        rewrite_report(desk, folder)
    return decision


def rewrite_report(desk: Desk, folder: RunFolder) -> None:
    """Write the report again with what was decided since, by the ledger."""
    made = run_files.report_files(decided_view(desk, folder, run_files.read_view(folder)))
    run_files.write_report(folder, made)


async def trade(
    desk: Desk,
    folder: RunFolder,
    *,
    on_event: Callable[[OrderEvent], None],
    on_lost: Callable[[BrokerError], None] = lambda _error: None,
    follow: submit.Follow = submit.until_answered,
    confirmed: str = "",
) -> Mapping[str, OrderLife]:
    """Act two: send the approved orders, each exactly once, and follow them.

    Raises SafetyError when approval, account or a halt forbid it. ``confirmed`` is what a person
    typed: a live desk wants its account number. ``on_lost`` hears it when the gateway was lost on
    the way: orders that stayed here say so, and sending again goes on.
    """
    lost, heard_lost = telling.remembered(on_lost)
    run = RunJournal.resume(folder, desk.clock, to=RunState.SUBMITTED)
    require_confirmed(desk, confirmed)
    may_send_until(desk)
    approved = approved_now(desk, folder)
    with run.stage("submit") as stage:
        async with (
            telling.stopping(desk, run.manifest.session),
            desk.reader(stage.says) as reader,
        ):
            # Once more: the gateway may have been waited for, and a minute changes what may leave.
            until, approved = may_send_until(desk), approved_now(desk, folder)
            async with desk.open_order_desk(approved[0]) as order_desk:
                asked = await submit.request(reader, approved[1])
                timeout = desk.settings.sending.answer_timeout_s
                known = await submit.run(
                    order_desk,
                    desk.ledger,
                    replace(
                        asked,
                        answer_timeout_s=timeout,
                        sends_until=until,
                        approved_until=approved[0].expires_at,
                    ),
                    desk.clock,
                    on_event=on_event,
                    on_lost=heard_lost,
                    follow=follow,
                )
        rows = with_rows(known, approved[1].netting)
        stage.wrote(run_files.write_orders(folder, rows.values()))
    run.enter(RunState.SUBMITTED, sent=len(known))
    await asyncio.to_thread(telling.sent, desk, run.manifest.session, tuple(known.values()), lost)
    return known


def _decided(desk: Desk, folder: RunFolder, decision: Approval, state: RunState) -> None:
    run = RunJournal.resume(folder, desk.clock, to=state)
    with run.stage("review") as stage:
        desk.ledger.record_approval(decision)
        stage.wrote(folder.write_json("55-approval.json", decision))
    run.enter(state, reviewer=decision.reviewer)
