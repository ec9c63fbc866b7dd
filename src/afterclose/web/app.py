"""The review page as an ASGI application: addresses, and which act each leads to.

Reading is GET and changes nothing. Every act is a POST of a form that counts once. What blocks
(SQL, files, drawing) runs on threads, so that nobody's page waits for another's.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
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

from afterclose.artifacts import RunFolder
from afterclose.errors import AfterCloseError, ExitCode
from afterclose.evening import run_files
from afterclose.report.nav import nav_policy
from afterclose.report.render import page_script, page_style
from afterclose.web.access import DeskAccess
from afterclose.web.acts import Acts, Form
from afterclose.web.evenings import Evenings
from afterclose.web.pages import Explain, Pages
from afterclose.web.rewriting import Rewriter
from afterclose.web.security import Guard, Keys
from afterclose.web.sending import Sender
from afterclose.web.site import Site

#: The digest of what the page shows that a request comes from.
_SHOWN = "x-shown"
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
        Route("/drift", _drift(site)),
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


def _drift(site: Site) -> Endpoint:
    """Show the account beside the models, as the newest evening that was settled has it."""

    async def drift(_request: Request) -> Response:
        page = await to_thread.run_sync(site.drift)
        if page is None:
            text = "Nothing to compare yet: it takes the account's value after two closes."
            hint = "settle an evening with “afterclose settle”"
            return HTMLResponse(site.pages.plain("Account against models", text=text, hint=hint))
        return HTMLResponse(page, headers={"Content-Security-Policy": nav_policy()})

    return drift


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
            return HTMLResponse(site.sheet(folder, name, ref, request.headers.get(_SHOWN, "")))
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
        form = Form.read(pairs, shown=request.headers.get(_SHOWN, ""))
        return await to_thread.run_sync(work, request, form)

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
