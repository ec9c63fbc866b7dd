"""The gateway as a service: what ``afterclose sim serve`` runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from afterclose.tws_sim.account import AccountSpec, Holding
from afterclose.tws_sim.clock import FastClock, GatewayClock, RealClock
from afterclose.tws_sim.generated import generated_market
from afterclose.tws_sim.market import Market
from afterclose.tws_sim.running import RunningGateway, running
from afterclose.tws_sim.scenario import Scenario
from afterclose.tws_sim.wire_log import WireEvent, WireLog

_LOOK_EVERY_S = 1.0
_MILLION = Decimal(1_000_000)


def serve(
    *,
    port: int,
    market_folder: Path | None,
    account: str = "DU1234567",
    base: str = "USD",
    cash: Mapping[str, Decimal] | None = None,
    positions: Iterable[Holding] = (),
    scenario: Path | None = None,
    start: datetime | None = None,
    speed: float = 1.0,
    host: str = "127.0.0.1",
    state: Path | None = None,
    wire_log: Path | None = None,
    on_event: Callable[[WireEvent], None] | None = None,
    on_ready: Callable[[RunningGateway], None] | None = None,
    on_problem: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve a paper gateway until ``stop`` is set, or the user interrupts.

    Args:
        port: where to listen; 0 takes a free port, told by ``on_ready``.
        market_folder: the market files, see ``Market.from_folder``; a made-up market for None.
        account: the account number; paper accounts begin with DU.
        base: the account's base currency.
        cash: cash per currency; a million of the base currency by default.
        positions: what the account holds at the start.
        scenario: a TOML file of faults; read again whenever it changes.
        start: the gateway's time at the start; the present by default.
        speed: how fast its time runs.
        host: the address to listen on; this machine alone unless told otherwise.
        state: a file that keeps the book across restarts.
        wire_log: a text file that gets one line per message.
        on_event: is called with every message, for a live view.
        on_ready: is called once the gateway listens.
        on_problem: is told, in words, of a changed scenario file that cannot be read; the service
            goes on with the scenario it has.
        stop: ends the service when set.

    Raises MarketFileError, ScenarioError, StateError and OSError.

    """
    clock: GatewayClock = RealClock() if start is None else FastClock(start, speed=speed)
    money = cash or {base: _MILLION}
    spec = AccountSpec(account=account, base=base, cash=money, positions=positions)
    text = None if scenario is None else scenario.read_bytes()
    with contextlib.ExitStack() as stack:
        tell = [on_event] if on_event is not None else []
        if wire_log is not None:
            tell.append(stack.enter_context(_log_to(wire_log)))

        def tell_all(event: WireEvent) -> None:
            for each in tell:
                each(event)

        tap = WireLog(clock=clock.now, on_event=tell_all)
        gateway = running(
            market=_market(market_folder, clock.now().date()),
            account=spec,
            clock=clock,
            scenario=Scenario() if text is None else Scenario.from_toml(text.decode("utf-8")),
            host=host,
            port=port,
            state=state,
            tap=tap if tell else None,
        )
        stack.enter_context(gateway)
        if on_ready is not None:
            on_ready(gateway)
        _watch(gateway, scenario, text, stop or threading.Event(), on_problem)


def _market(folder: Path | None, today: date) -> Market:
    return generated_market(until=today) if folder is None else Market.from_folder(folder)


def _watch(
    gateway: RunningGateway,
    path: Path | None,
    seen: bytes | None,
    stop: threading.Event,
    on_problem: Callable[[str], None] | None,
) -> None:
    """Wait for the end; switch the scenario whenever its file has changed."""
    with contextlib.suppress(KeyboardInterrupt):
        while not stop.wait(_LOOK_EVERY_S):
            if path is None or not path.exists():
                continue
            now = path.read_bytes()
            if now != seen:
                seen = now
                _switch(gateway, now, on_problem)


def _switch(gateway: RunningGateway, text: bytes, on_problem: Callable[[str], None] | None) -> None:
    try:
        gateway.switch(Scenario.from_toml(text.decode("utf-8")))
    except ValueError as error:
        if on_problem is not None:
            on_problem(str(error))


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[Callable[[WireEvent], None]]:
    with path.open("a", encoding="utf-8", newline="") as file:

        def write(event: WireEvent) -> None:
            file.write(f"{event}\n")
            file.flush()

        yield write
