"""Who may talk to the page: this machine's own browser, with the address that was printed.

Four walls, each enough against its own kind of stranger: the socket listens on loopback alone; a
Host that is no name of this machine is refused (a foreign page that re-points its own name at
127.0.0.1); the random token of the printed address becomes a cookie that no other site's requests
carry; and whatever changes anything must come from a page of ours (Origin) and name a second
secret that only our pages contain.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Where a request carries the secret of our pages.
CSRF_HEADER = "x-csrf-token"

_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
#: The printed address leads to a page that goes on by itself: only the request of a page of ours
#: carries the cookie whatever program the address was opened from.
_ENTRY = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>afterclose</title>'
    '<meta http-equiv="refresh" content="0; url={path}"><a href="{path}">Go on</a>'
)
_LOCKED = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>afterclose: locked</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/report.css">'
    "<main><section><h1>Locked</h1><p>Open the address that <code>afterclose review</code> "
    "printed: it carries the key to this page. After a restart there is a new one.</p>"
    "</section></main>"
)
#: Style and script of the product are no secret, and the locked page wants its looks.
_PUBLIC = "/static/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The secrets of one start of the server, and the names it answers to."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    hosts: frozenset[str] = LOOPBACK
    port: int = 0

    @property
    def cookie(self) -> str:
        """Name of the cookie; cookies do not know ports, two desks on one machine must."""
        return f"afterclose-{self.port}"


class Guard:
    """Refuses whoever is not this machine's own browser; an ASGI middleware."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        target: ASGIApp = refusal if refusal is not None else self._app
        await target(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        keys = self._keys
        host = request.headers.get("host", "")
        if _host_name(host) not in keys.hosts:
            return _refused(421, f"this page does not answer to the name {host!r}")
        if request.url.path.startswith(_PUBLIC) and request.method == "GET":
            return None
        offered = request.query_params.get("token")
        if offered is not None and request.method == "GET":
            return self._entered(request, offered)
        if not compare_digest(request.cookies.get(keys.cookie, "").encode(), keys.token.encode()):
            return HTMLResponse(_LOCKED, status_code=403)
        if request.method not in {"GET", "HEAD"}:
            return self._foreign(request.headers, host)
        return None

    def _entered(self, request: Request, offered: str) -> Response:
        if not compare_digest(offered.encode(), self._keys.token.encode()):
            return HTMLResponse(_LOCKED, status_code=403)
        answer = HTMLResponse(_ENTRY.format(path=_own_path(request)))
        answer.set_cookie(self._keys.cookie, self._keys.token, httponly=True, samesite="strict")
        return answer

    def _foreign(self, headers: Headers, host: str) -> Response | None:
        """Refuse a change that does not come from a page of ours."""
        origin = headers.get("origin", "")
        if urlsplit(origin).netloc != host:
            return _refused(403, f"this request comes from {origin or 'nowhere'}, not from {host}")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return _refused(403, "this request comes from another site")
        if not compare_digest(headers.get(CSRF_HEADER, "").encode(), self._keys.csrf.encode()):
            return _refused(403, "this page is from before a restart: reload it")
        return None


def _own_path(request: Request) -> str:
    """Return where the entry goes on to; nothing of the address but a plain path is believed."""
    path = request.url.path
    plain = all(c.isalnum() or c in "/-_." for c in path) and not path.startswith("//")
    return path if plain else "/"


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(f"Refused: {why}.\n", status_code=status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
