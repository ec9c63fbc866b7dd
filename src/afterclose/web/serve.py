"""Serving the page on this machine: a socket on loopback, and the address with its key."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from afterclose.errors import UsageError
from afterclose.web.security import Keys

#: Pages that listen for changes never end by themselves; this long they are waited for.
_LEAVE_WITHIN_S = 2


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that listens, before anything is served on it."""

    socket: socket.socket

    @property
    def port(self) -> int:
        """The port; chosen by the system when none was asked for."""
        return int(self.socket.getsockname()[1])

    def address(self, keys: Keys) -> str:
        """The address to open: it carries the key."""
        return f"http://127.0.0.1:{self.port}/?token={keys.token}"


def listen(port: int = 0) -> Listening:
    """Listen on loopback. Raises UsageError when the port is taken."""
    # The protocol is named, or asyncio leaves Nagle's algorithm on: 40 ms for every answer that is
    # written in two parts.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror or error}",
            hint="another page may be open already; leave --port out for a free one",
        ) from error
    listener.listen()
    return Listening(listener)


def server(app: ASGIApp) -> uvicorn.Server:
    """Make a server that says nothing and is ended by ``should_exit`` or Ctrl-C."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=_LEAVE_WITHIN_S,
        )
    )


def serve(app: ASGIApp, listening: Listening) -> None:
    """Serve until somebody ends it."""
    server(app).run(sockets=[listening.socket])
