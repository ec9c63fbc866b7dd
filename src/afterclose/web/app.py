"""The review page as an ASGI application: addresses, and which act each leads to.

Reading is GET and changes nothing. Every act is a POST of a form that counts once. What blocks
(SQL, files, drawing) runs on threads, so that nobody's page waits for another's.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from afterclose import nightly, run_files
from afterclose.artifacts import RunFolder
from afterclose.domain.orders import OrderState
from afterclose.errors import AfterCloseError, ExitCode
from afterclose.past_evenings import past_evenings
from afterclose.report.render import page_script, page_style
from afterclose.web.access import DeskAccess
from afterclose.web.acts import Acts, Form
from afterclose.web.evenings import Evening, Evenings
from afterclose.web.pages import Explain, Pages
from afterclose.web.rewriting import Rewriter
from afterclose.web.security import Guard, Keys
from afterclose.web.sending import Sender
from afterclose.web.standing import Standing

_LOOK_EVERY_S = 0.25
_SAY_SOMETHING_AFTER = 60
_LONGEST_FORM = 65_536
_STATIC: Mapping[str, str] = {
    "htmx.min.js": "text/javascript",
    "review.js": "text/javascript",
    "review.css": "text/css",
}
_STATUS = {ExitCode.USAGE: 400, ExitCode.OUTSIDE_DOWN: 503}
_NOT_DONE = {
    "choose": "Not changed",
    "approve": "Not approved",
    "reject": "Not rejected",
    "send": "Not sent",
    "follow": "Not listening",
    "cancel": "Not cancelled",
}

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the addresses lead to."""

    access: DeskAccess
    evenings: Evenings
    acts: Acts
    pages: Pages

    def newest(self) -> str | None:
        """Return the address of the newest evening; None before the first."""
        folders = self.evenings.folders()
        return f"/evening/{folders[0].path.name}" if folders else None

    def draw_newest(self) -> None:
        """Draw the newest evening before somebody waits for it."""
        folders = self.evenings.folders()
        with suppress(AfterCloseError):  # whoever opens it is told
            if folders and folders[0].has(run_files.VIEW):
                self.pages.parts(self.evenings.read(folders[0]))

    def page(self, folder: RunFolder) -> str:
        """Draw one evening, or how far it came."""
        if not folder.has(run_files.VIEW):
            manifest = self.evenings.manifest(folder)
            return self.pages.plain(
                f"{manifest.session}: not prepared",
                text="This evening has no report: it was not prepared to its end.",
                hint="see what the last stage said, then run “afterclose run” again",
                manifest=manifest,
            )
        return self.pages.evening(self.evenings.read(folder))

    def live(self, folder: RunFolder) -> str:
        """Draw what of an evening changes while one looks."""
        return self.pages.live(self.evenings.read(folder))

    def pulse(self, folder: RunFolder) -> str:
        """Return a text that differs whenever the page would."""
        standing = self.evenings.read(folder).standing
        records = standing.records
        halted = "" if records.halted is None else records.halted.at.isoformat()
        counts = f"{records.heard} {len(records.notes)} {records.connected} {halted}"
        return f"{standing.version} {standing.phase.value} {counts}"

    def past(self) -> str:
        """Draw the list of evenings."""
        return self.pages.past(past_evenings(self.evenings.folders(), self.access.ledger))

    def sheet(self, folder: RunFolder, name: str, ref: str) -> str:
        """Draw a sheet; a name or an order that is none gives a problem to read."""
        evening = self.evenings.read(folder)
        standing = evening.standing
        if name in {"approve", "approve-clear"} and standing.open_to_decision:
            return self._approval(evening, only="clear" if name == "approve-clear" else "all")
        if name == "reject":
            return self.pages.sheet("reject", evening)
        if name == "send" and standing.records.approval is not None:
            return self._sending(evening)
        cancelled = [o for o in standing.working if ref in {"", o.order.order_ref}]
        if name in {"cancel", "cancel-all"} and cancelled:
            return self.pages.sheet("cancel", evening, orders=cancelled)
        return self.pages.problem("Not now", f"There is nothing to do here: {_phase(standing)}.")

    def _sending(self, evening: Evening) -> str:
        netting = self.evenings.netted(evening, _approved(evening))
        left = _left(evening)
        going = [o for o in netting.orders if o.order_ref not in left]
        return self.pages.sheet("send", evening, going=going, netting=netting)

    def _approval(self, evening: Evening, *, only: str) -> str:
        standing = evening.standing
        flagged = () if only == "clear" else standing.flagged
        going = standing.clear if only == "clear" else standing.going
        refs = {o.order_ref for o in going}
        rows = evening.view.audit.rows
        cleared = {o.order_ref for o in evening.view.audit.cleared_orders()}
        left_out = [
            r for r in rows if r.order.order_ref in cleared and r.order.order_ref not in refs
        ]
        return self.pages.sheet(
            "approve",
            evening,
            going=going,
            flagged=flagged,
            left_out=left_out,
            only=only,
            netting=self.evenings.netted(evening, going),
            ends=nightly.approval_end(self.access.desk),
        )


def _phase(standing: Standing) -> str:
    return standing.phase.value


def _approved(evening: Evening) -> list[Any]:
    """Return the approved rows, as the approval names them."""
    records = evening.standing.records
    refs = set(records.approval.order_refs) if records.approval else set()
    return [o for o in records.audit.cleared_orders() if o.order_ref in refs]


def _left(evening: Evening) -> frozenset[str]:
    orders = evening.standing.orders
    return frozenset(o.order.order_ref for o in orders if o.state is not OrderState.INTENDED)


def make_app(access: DeskAccess, *, keys: Keys, explain: Explain, reviewer: str) -> Starlette:
    """Make the application for one desk.

    Args:
        access: the way to the desk; closed when the application ends.
        keys: who may talk to it.
        explain: puts a code of the gateway, with its text, into plain words.
        reviewer: the name that the sheets suggest.

    """
    sender = Sender(access)
    evenings = Evenings(access, sender)
    pages = Pages(explain=explain, reviewer=reviewer, csrf=keys.csrf)
    acts = Acts(access, evenings, sender, Rewriter(access, evenings, pages))
    site = Site(access, evenings, acts, pages)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        drawing = threading.Thread(target=site.draw_newest, name="drawing")
        drawing.start()
        yield
        await to_thread.run_sync(drawing.join)
        await to_thread.run_sync(acts.close)
        access.close()

    return Starlette(
        routes=_routes(site),
        middleware=[Middleware(Guard, keys=keys)],
        lifespan=lifespan,
    )


def _routes(site: Site) -> list[Route]:
    evening = "/evening/{run_id}"
    return [
        Route("/", _home(site)),
        Route("/evenings", _drawn(site.past)),
        Route("/static/report.css", _text(page_style, "text/css")),
        Route("/static/report.js", _text(page_script, "text/javascript")),
        Route("/static/{name}", _static),
        Route(evening, _of(site, site.page)),
        Route(f"{evening}/live", _of(site, site.live)),
        Route(f"{evening}/report", _file(site, run_files.REPORT)),
        Route(f"{evening}/workbook", _file(site, run_files.WORKBOOK)),
        Route(f"{evening}/events", _events(site)),
        Route(f"{evening}/sheet/{{name}}", _sheet(site)),
        Route(f"{evening}/choose", _post(site, "choose", site.acts.choose), methods=["POST"]),
        Route(f"{evening}/approve", _post(site, "approve", site.acts.approve), methods=["POST"]),
        Route(f"{evening}/reject", _post(site, "reject", site.acts.reject), methods=["POST"]),
        Route(f"{evening}/send", _post(site, "send", site.acts.send), methods=["POST"]),
        Route(f"{evening}/follow", _post(site, "follow", site.acts.follow), methods=["POST"]),
        Route(f"{evening}/cancel", _post(site, "cancel", site.acts.cancel), methods=["POST"]),
    ]


def _home(site: Site) -> Endpoint:
    async def home(_request: Request) -> Response:
        address = await to_thread.run_sync(site.newest)
        if address is not None:
            return RedirectResponse(address)
        hint = "prepare one with “afterclose run”"
        return HTMLResponse(site.pages.plain("No evening yet", hint=hint))

    return home


def _drawn(draw: Callable[[], str]) -> Endpoint:
    async def page(_request: Request) -> Response:
        return HTMLResponse(await to_thread.run_sync(draw))

    return page


def _text(text: Callable[[], str], kind: str) -> Endpoint:
    async def answer(_request: Request) -> Response:
        return Response(str(text()), media_type=kind)

    return answer


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("There is no such file.\n", status_code=404)
    found = files("afterclose.web").joinpath("static", name)
    return Response(found.read_bytes(), media_type=_STATIC[name])


def _found(site: Site, request: Request) -> RunFolder | None:
    return site.evenings.folder(request.path_params["run_id"])


def _missing(site: Site) -> Response:
    text = "There is no evening of this name on this desk."
    return HTMLResponse(site.pages.plain("No such evening", text=text), status_code=404)


def _of(site: Site, draw: Callable[[RunFolder], str]) -> Endpoint:
    """Answer with something drawn of one evening; an error of ours is told in words."""

    def work(request: Request) -> Response:
        folder = _found(site, request)
        if folder is None:
            return _missing(site)
        try:
            return HTMLResponse(draw(folder))
        except AfterCloseError as error:
            page = site.pages.plain("Cannot be shown", text=str(error), hint=error.hint)
            return HTMLResponse(page, status_code=500)

    async def answer(request: Request) -> Response:
        return await to_thread.run_sync(work, request)

    return answer


def _file(site: Site, name: str) -> Endpoint:
    """Hand out one file of an evening, to be kept."""

    async def file(request: Request) -> Response:
        folder = await to_thread.run_sync(_found, site, request)
        if folder is None or not folder.has(name):
            return _missing(site)
        kept = f"{folder.path.name}{Path(name).suffix}"
        return FileResponse(folder.path / name, filename=kept)

    return file


def _sheet(site: Site) -> Endpoint:
    def work(request: Request) -> Response:
        folder = _found(site, request)
        if folder is None:
            return _missing(site)
        name, ref = request.path_params["name"], request.query_params.get("ref", "")
        try:
            return HTMLResponse(site.sheet(folder, name, ref))
        except AfterCloseError as error:
            return HTMLResponse(site.pages.problem("Not now", _sentence(error), error.hint))

    async def sheet(request: Request) -> Response:
        return await to_thread.run_sync(work, request)

    return sheet


def _post(site: Site, name: str, act: Callable[[RunFolder, Form], None]) -> Endpoint:
    """Do one act; answer with what now stands, or with why it was not done."""

    def work(request: Request, form: Form) -> Response:
        folder = _found(site, request)
        if folder is None:
            return _missing(site)
        try:
            act(folder, form)
            if name in {"choose", "follow"}:
                return HTMLResponse(site.live(folder))
        except AfterCloseError as error:
            page = site.pages.problem(_NOT_DONE[name], _sentence(error), error.hint)
            return HTMLResponse(page, status_code=_STATUS.get(error.exit_code, 409))
        return Response(status_code=204, headers={"HX-Trigger": "done"})

    async def post(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_FORM:
                return PlainTextResponse("The form is too long.\n", status_code=413)
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return await to_thread.run_sync(work, request, Form.read(pairs))

    return post


def _sentence(error: AfterCloseError) -> str:
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


def _events(site: Site) -> Endpoint:
    """Say that something changed, as soon as it did; what it is, the page asks for itself."""

    async def stream(folder: RunFolder) -> AsyncIterator[str]:
        last, silent = "", 0
        while True:
            now = await to_thread.run_sync(partial(site.pulse, folder))
            silent += 1
            if now != last:
                yield f"data: {now}\n\n"
                last, silent = now, 0
            elif silent > _SAY_SOMETHING_AFTER:
                yield ": still here\n\n"
                silent = 0
            await anyio.sleep(_LOOK_EVERY_S)

    async def events(request: Request) -> Response:
        folder = await to_thread.run_sync(_found, site, request)
        if folder is None or not folder.has(run_files.VIEW):
            return PlainTextResponse("There is no such evening.\n", status_code=404)
        return StreamingResponse(stream(folder), media_type="text/event-stream")

    return events
