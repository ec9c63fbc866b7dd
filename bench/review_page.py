"""How fast the review page answers on loopback, beside an empty answer of the same server.

    python bench/review_page.py [--orders 100] [--rounds 40]

The desk and its evening are made for it; the server is a process of its own, as ``afterclose
review`` is, and the client asks one thing after another over one connection. What is cancelled is
cancelled at the paper gateway, on an evening of four orders.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from starlette.applications import Starlette  # noqa: E402 - the path comes first
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from afterclose.bootstrap import explain_code, open_desk  # noqa: E402
from afterclose.clock import ManualClock, session_at  # noqa: E402
from afterclose.evening.desk import Desk  # noqa: E402
from afterclose.settings import load  # noqa: E402
from afterclose.web.access import DeskAccess  # noqa: E402
from afterclose.web.app import make_app  # noqa: E402
from afterclose.web.security import Keys  # noqa: E402
from afterclose.web.serve import listen, serve  # noqa: E402
from browser.review_desk import prepare_small_desk, served  # noqa: E402
from e2e.small_desk import ROOTS, make_small_desk  # noqa: E402
from unit.report.make_rows import NOW  # noqa: E402
from unit.report.make_view import many_orders  # noqa: E402
from unit.web.web_site import PAPER, write_evening  # noqa: E402

Times = dict[str, list[float]]


@dataclass(slots=True)
class Client:
    """One browser's worth of requests over one connection."""

    connection: http.client.HTTPConnection
    headers: dict[str, str]

    @classmethod
    def enter(cls, address: str) -> Client:
        """Come through the printed address."""
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.request("GET", f"/?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return cls(connection, {"Cookie": cookie, "Origin": f"http://{parts.netloc}"})

    def get(self, path: str) -> str:
        """Read one address."""
        self.connection.request("GET", path, headers=self.headers)
        return self._answer()

    def post(self, path: str, form: Mapping[str, str]) -> str:
        """Send one form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", path, urlencode(form), {**self.headers, **kind})
        return self._answer()

    def _answer(self) -> str:
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{answer.status}: {body[:400]}")
        return body


def timed(times: Times, name: str, act: Callable[[], str]) -> str:
    """Do one thing and keep how long its answer took, in milliseconds."""
    start = time.perf_counter()
    answer = act()
    times.setdefault(name, []).append((time.perf_counter() - start) * 1000)
    return answer


@contextmanager
def process(*arguments: str) -> Iterator[str]:
    """Start this program as a server, and return the address it prints."""
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


def serve_desk(home: Path) -> None:
    """Serve the page of one desk until this process is ended."""
    clock = ManualClock(NOW)

    def desk() -> Desk:
        return open_desk(load(home), clock, say=lambda _text: None, session=session_at(NOW))

    access = DeskAccess(home, clock, desk)
    listening = listen()
    keys = Keys(port=listening.port)
    print(listening.address(keys), flush=True)
    serve(make_app(access, keys=keys, explain=explain_code, reviewer="Ann"), listening)


def serve_nothing() -> None:
    """Serve an empty answer, from the same server and a thread of its pool."""

    def empty(_request: object) -> Response:
        return Response("")

    listening = listen()
    print(f"http://127.0.0.1:{listening.port}/?token=", flush=True)
    serve(Starlette(routes=[Route("/{rest:path}", empty)]), listening)


def read(attribute: str, html: str) -> str:
    """Return an attribute of a page."""
    found = re.search(rf'{attribute}="([^"]*)"', html)
    if found is None:
        raise RuntimeError(f"the page has no {attribute}")
    return found[1]


def decisions(times: Times, address: str, folder: str, rounds: int, pause_s: float) -> None:
    """Open, leave out, put back, approve and reject, as often as asked."""
    client, evening = Client.enter(address), f"/evening/{folder}"
    page = timed(times, "open, the first time", lambda: client.get(evening))
    client.headers["X-CSRF-Token"] = read("data-csrf", page)
    ref = re.findall(r'data-go="([^"]+)"', page)[0]
    for number in range(rounds):
        timed(times, "open", lambda: client.get(evening))
        live = timed(times, "what changes", lambda: client.get(f"{evening}/live"))
        seen = {"seen": read("data-version", live)}
        out, back = {**seen, "ref": ref, "goes": "no"}, {**seen, "ref": ref, "goes": "yes"}
        timed(times, "leave out", partial(client.post, f"{evening}/choose", out))
        timed(times, "put back", partial(client.post, f"{evening}/choose", back))
        timed(times, "a sheet", lambda: client.get(f"{evening}/sheet/approve"))
        for act in ("approve", "reject"):
            seen = {"seen": read("data-version", client.get(f"{evening}/live"))}
            form = {**seen, "reviewer": "Ann", "note": "read", "once": f"{act}{number}"}
            form["only"] = "all"
            timed(times, act, partial(client.post, f"{evening}/{act}", form))
            time.sleep(pause_s)


def cancellations(times: Times) -> None:
    """Send four orders to the paper gateway, and cancel them one by one."""
    far = '[data.price_shift]\nES = "2%"\nHG = "2%"\nZC = "2%"\nZN = "2%"\n'
    with tempfile.TemporaryDirectory() as place:
        prepared = prepare_small_desk(Path(place) / "prepared")
        for lap in range(3):
            with served(prepared, Path(place) / f"desk{lap}", scenario=far) as site:
                client = Client.enter(site.address)
                evening = f"/evening/{site.folder.path.name}"
                client.headers["X-CSRF-Token"] = read("data-csrf", client.get(evening))
                for act in ("approve", "send"):
                    seen = read("data-version", client.get(f"{evening}/live"))
                    form = {"seen": seen, "reviewer": "Ann", "note": "read", "only": "all"}
                    client.post(f"{evening}/{act}", form)
                for ref in _all_out(client, evening):
                    form = {"ref": ref, "once": ref, "reviewer": "Ann", "seen": ""}
                    timed(times, "cancel", partial(client.post, f"{evening}/cancel", form))


def _all_out(client: Client, evening: str) -> list[str]:
    for _look in range(600):
        live = client.get(f"{evening}/live")
        refs = re.findall(r'id="cancel-([^"]+)"', live)
        if len(refs) == len(ROOTS) and 'data-state="sent"' not in live:
            return refs
        threading.Event().wait(0.1)
    raise RuntimeError("the orders never left")


def nothing(times: Times, rounds: int) -> None:
    """Ask for an empty answer."""
    with process("serve-nothing") as address:
        client = Client.enter(address)
        for _round in range(rounds * 5):
            timed(times, "an empty answer", lambda: client.get("/nothing"))


def show(times: Times) -> None:
    """Print medians, the worst of twenty, and how many empty answers each costs."""
    base = median(times["an empty answer"])
    print(f"{'':<22}{'median':>9}{'19 of 20':>10}{'ratio':>8}")
    for name, taken in times.items():
        most = sorted(taken)[int(len(taken) * 0.95) - 1 if len(taken) > 1 else 0]
        print(f"{name:<22}{median(taken):>6.1f} ms{most:>7.1f} ms{median(taken) / base:>8.1f}")
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}" if os.name != "nt" else "")


def main() -> None:
    """Measure, or serve for who measures."""
    if sys.argv[1:2] == ["serve-nothing"]:
        serve_nothing()
    elif sys.argv[1:2] == ["serve"]:
        serve_desk(Path(sys.argv[2]))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--orders", type=int, default=100)
        parser.add_argument("--rounds", type=int, default=40)
        parser.add_argument("--pause", type=float, default=1.5, help="between decisions, seconds")
        parser.add_argument("--no-cancel", action="store_true")
        asked = parser.parse_args()
        times: Times = {}
        nothing(times, asked.rounds)
        with tempfile.TemporaryDirectory() as place:
            make_small_desk(Path(place))
            settings = f'{PAPER}[data]\nstore = "market"\n'
            folder = write_evening(Path(place), many_orders(asked.orders), settings)
            with process("serve", place) as address:
                decisions(times, address, folder.path.name, asked.rounds, asked.pause)
        if not asked.no_cancel:
            cancellations(times)
        show(times)


if __name__ == "__main__":
    main()
