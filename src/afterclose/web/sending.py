"""Sending and following in the background, on a thread with an event loop of its own.

The page never waits for a gateway, and what it shows comes from the ledger: if this process dies,
nothing is lost but the listening, and the next start can take it up again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.domain.orders import Approval, OrderEvent
from afterclose.errors import AfterCloseError, BrokerError, BrokerTimeout, RunAlreadySubmitted
from afterclose.evening.desk import Desk
from afterclose.ports import OrderDesk
from afterclose.stages import submit
from afterclose.web import notes
from afterclose.web.access import DeskAccess
from afterclose.web.notes import Act, Note

#: How long an act waits for the report of the last decision to be written, or for a gateway.
_DESK_WITHIN_S = 30.0
_GATEWAY_WITHIN_S = 30.0

OpenOrderDesk = Callable[[Approval], AbstractAsyncContextManager[OrderDesk]]


@dataclass(slots=True)
class _Job:
    """One background run. ``opened`` is set once there is an order desk, or will be none."""

    run_id: str
    folder: RunFolder
    act: Act
    confirmed: str = ""
    opened: threading.Event = field(default_factory=threading.Event)
    #: Set when it is to end, at whatever point it is: it may wait for the desk, and have no loop.
    stopped: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    order_desk: OrderDesk | None = None
    task: asyncio.Task[None] | None = None
    thread: threading.Thread | None = None
    trouble: AfterCloseError | None = None


class Sender:
    """Sends and follows one evening at a time."""

    def __init__(self, access: DeskAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._job: _Job | None = None

    def followed(self, run_id: str) -> bool:
        """Whether this evening's orders are being sent or listened to from here."""
        job = self._job
        return job is not None and job.run_id == run_id

    def connected(self, run_id: str) -> bool:
        """Whether the gateway is on the line for this evening."""
        job = self._job
        return job is not None and job.run_id == run_id and job.order_desk is not None

    def require_idle(self) -> None:
        """Raise RunAlreadySubmitted while something is sent or followed already."""
        job = self._job
        if job is not None:
            raise RunAlreadySubmitted(
                f"the orders of {job.run_id} are being followed already",
                hint="look at that evening",
            )

    def send(self, folder: RunFolder, *, confirmed: str) -> None:
        """Start to send what is approved, each order exactly once, and follow it to its end.

        ``confirmed`` is what a person typed. Raises RunAlreadySubmitted when something is being
        sent or followed already.
        """
        self._start(_Job(folder.path.name, folder, Act.SEND, confirmed))

    def follow(self, folder: RunFolder) -> None:
        """Start to listen again, sending nothing. Raises RunAlreadySubmitted likewise."""
        self._start(_Job(folder.path.name, folder, Act.FOLLOW))

    def cancel(self, folder: RunFolder, refs: Sequence[str]) -> None:
        """Ask the gateway to cancel orders; whether it did comes as their state.

        Raises BrokerError when the gateway cannot be asked.
        """
        if not self.followed(folder.path.name):
            self.follow(folder)
        job = self._job
        if job is None or not job.opened.wait(_GATEWAY_WITHIN_S):
            raise BrokerTimeout("the gateway did not answer; nothing was cancelled")
        loop, desk = job.loop, job.order_desk
        if loop is None or desk is None:
            raise job.trouble or BrokerTimeout(
                "the line to the gateway ended; nothing was cancelled"
            )
        for ref in refs:
            asking = desk.cancel(ref)
            try:
                asked = asyncio.run_coroutine_threadsafe(asking, loop)
            except RuntimeError:  # it has ended meanwhile, and its loop is closed
                asking.close()
                raise BrokerTimeout(
                    f"the line to the gateway ended before the cancellation of {ref}"
                ) from None
            try:
                asked.result(_GATEWAY_WITHIN_S)
            except (TimeoutError, CancelledError):
                raise BrokerTimeout(f"the gateway did not take the cancellation of {ref}") from None

    def stop(self) -> None:
        """Stop listening. Orders stay where they are."""
        job = self._job
        if job is None:
            return
        job.stopped.set()
        if job.loop is not None and job.task is not None:
            with suppress(RuntimeError):  # it has ended meanwhile, and its loop is closed
                job.loop.call_soon_threadsafe(job.task.cancel)
        if job.thread is not None:
            job.thread.join(_GATEWAY_WITHIN_S)

    def _start(self, job: _Job) -> None:
        with self._lock:
            self.require_idle()
            job.thread = threading.Thread(target=self._run, args=(job,), name="sending")
            self._job = job
            job.thread.start()

    def _run(self, job: _Job) -> None:
        said = Note(at=self._access.clock.now(), act=Act.ENDED)
        try:
            with self._access.act(wait_s=_DESK_WITHIN_S) as desk:
                lost = asyncio.run(self._follow(job, desk))
            if lost is not None:
                doing = "sent" if job.act is Act.SEND else "followed"
                text = f"the gateway was lost while orders were {doing}: {lost}"
                hint = "when it is back, look again: what never left can be sent then"
                now = self._access.clock.now()
                notes.write(job.folder, Note(at=now, act=Act.LINE, text=text, hint=hint))
        except asyncio.CancelledError:
            said = replace(said, text="listening was stopped")
        except AfterCloseError as error:
            job.trouble = error
            said = replace(said, act=Act.FAILED, text=str(error), hint=error.hint)
        except Exception as error:  # noqa: BLE001 - the border of the thread: the page must tell it
            text = f"an error of ours: {error!r}"
            said = replace(said, act=Act.FAILED, text=text, hint="please report it")
        finally:
            notes.write(job.folder, replace(said, at=self._access.clock.now()))
            self._job = None
            job.opened.set()

    async def _follow(self, job: _Job, desk: Desk) -> BrokerError | None:
        """Send or listen until the end; return how the gateway was lost on the way."""
        lost: list[BrokerError] = []
        job.loop = asyncio.get_running_loop()
        job.task = asyncio.current_task()
        if job.stopped.is_set():  # before it could be told
            raise asyncio.CancelledError
        remembering = replace(desk, open_order_desk=_remembering(job, desk.open_order_desk))
        heard, until = self._listener(job), submit.until_final
        if job.act is Act.SEND:
            await nightly.trade(
                remembering,
                job.folder,
                on_event=heard,
                on_lost=lost.append,
                follow=until,
                confirmed=job.confirmed,
            )
        else:
            await nightly.watch(
                remembering, job.folder, on_event=heard, on_lost=lost.append, follow=until
            )
        return lost[0] if lost else None

    def _listener(self, job: _Job) -> Callable[[OrderEvent], None]:
        def heard(event: OrderEvent) -> None:
            if not event.order_ref and event.text:  # about the line itself
                note = Note(at=event.at, act=Act.LINE, text=event.text)
                notes.write(job.folder, note)

        return heard


def _remembering(job: _Job, open_order_desk: OpenOrderDesk) -> OpenOrderDesk:
    """Keep the order desk in reach of a cancellation while it is open."""

    @asynccontextmanager
    async def opening(approval: Approval) -> AsyncIterator[OrderDesk]:
        async with open_order_desk(approval) as order_desk:
            job.order_desk = order_desk
            job.opened.set()
            try:
                yield order_desk
            finally:
                job.order_desk = None

    return opening
