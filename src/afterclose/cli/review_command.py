"""``afterclose review``: the evening in the browser of this machine."""

from __future__ import annotations

import getpass
import importlib.util
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from afterclose import clock as calendar
from afterclose.bootstrap import explain_code, open_desk
from afterclose.cli.terminal import console
from afterclose.clock import SystemClock
from afterclose.errors import ConfigError
from afterclose.evening.desk import Desk
from afterclose.settings import SETTINGS_FILE, load


def show(home: Path, *, port: int, browser: bool, names: Sequence[str]) -> None:
    """Serve the review page until it is ended with Ctrl-C."""
    if not (home / SETTINGS_FILE).exists():
        raise ConfigError(
            f"{home} is no desk: there is no {SETTINGS_FILE} in it",
            hint="go to the desk's folder, or name it with --desk",
        )
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("starlette") is None:
        raise ConfigError(
            "the review page needs starlette and uvicorn, which are not installed",
            hint="pip install 'afterclose[web]'; 'afterclose approve' and 'send' do without",
        )
    from afterclose.web.access import DeskAccess  # noqa: PLC0415 - an extra: may be absent
    from afterclose.web.app import make_app  # noqa: PLC0415 - likewise
    from afterclose.web.security import LOOPBACK, Keys  # noqa: PLC0415 - likewise
    from afterclose.web.serve import listen, serve  # noqa: PLC0415 - likewise

    screen = console()
    clock = SystemClock()

    def desk() -> Desk:
        tonight = calendar.session_at(clock.now())
        return open_desk(load(home), clock, say=_unsaid, session=tonight)

    access = DeskAccess(home, clock, desk)
    listening = listen(port)
    keys = Keys(hosts=LOOPBACK | frozenset(names), port=listening.port)
    reviewer = access.settings.desk.reviewer or getpass.getuser()
    app = make_app(access, keys=keys, explain=explain_code, reviewer=reviewer)
    address = listening.address(keys)
    screen.print(f"review  {address}", soft_wrap=True)
    screen.print("The address carries the key: whoever has it can send orders. End with Ctrl-C.")
    if browser:
        webbrowser.open(address)
    with suppress(KeyboardInterrupt):  # the usual way to end it
        serve(app, listening)
    screen.print("Ended. Orders that are out stay where they are.")


def _unsaid(_text: str) -> None:
    return
