"""``afterclose review`` as a user starts and ends it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from afterclose.errors import UsageError
from afterclose.web.serve import listen
from e2e.small_desk import make_small_desk
from unit.web.web_site import RUN, write_evening

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a single process")
def test_the_command_prints_an_address_that_opens_the_newest_evening(tmp_path: Path) -> None:
    home = tmp_path / "desk"
    desk = make_small_desk(home)
    write_evening(home)
    desk.configure(port=7497)
    command = [sys.executable, "-m", "afterclose", "review", "--no-browser", "--desk", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        printed = re.search(r"http://\S+", process.stdout.readline())
        assert printed is not None
        address = urlsplit(printed[0])
        with httpx.Client(base_url=f"http://{address.netloc}", timeout=60) as client:
            entered = client.get(f"{address.path}?{address.query}")
            page = client.get("/", follow_redirects=True)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()

    assert address.hostname == "127.0.0.1"
    assert entered.status_code == 200
    assert page.url.path == f"/evening/{RUN}"
    assert process.returncode == 0
    assert "Ended" in rest


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:

    taken = listen()
    with pytest.raises(UsageError, match=str(taken.port)):
        listen(taken.port)
    taken.socket.close()


@pytest.mark.anyio
async def test_answers_leave_at_once_however_many_parts_they_are_written_in() -> None:
    """Nagle's algorithm would hold the second part of every answer back for 40 ms."""
    listening, delayed = listen(), []

    def accepted(_reader: object, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delayed.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
        writer.close()

    serving = await asyncio.start_server(accepted, sock=listening.socket)
    async with serving:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        await reader.read()
        writer.close()

    assert delayed == [False]
