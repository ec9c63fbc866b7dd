"""Evenings whose sending process is killed at a random moment, and then sent again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from afterclose import tws_sim
from afterclose.domain.contracts import FuturesContract, QualifiedContract
from integration.sending.evenings import (
    AFTER_THE_OPEN,
    Evening,
    Outcome,
    gateway_of,
    hold_against_the_book,
    make_orders,
)
from integration.sending.sender import send
from unit.tws_sim.sim_market import MONDAY_EVENING

ROOT = Path(__file__).resolve().parents[3]
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.003


class Sender:
    """A process that has loaded everything and waits for its evening."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "integration.sending.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
        )

    def begin(self, job: Mapping[str, str]) -> None:
        """Give it its evening, and return when it begins."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a sender without pipes")
        self.process.stdin.write(json.dumps(dict(job)) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "sending":
            raise RuntimeError("the sender did not begin")

    def kill_when(self, there: Callable[[], int], wanted: int, *, late_s: float) -> bool:
        """Kill it, without a chance to clean up; False when it had ended before.

        It dies so long after the gateway has so many of its orders: by the clock alone the moment
        would lie before the first or after the last of them, by how fast the machine is.
        """
        until = time.monotonic() + _PATIENCE_S
        while there() < wanted and self.process.poll() is None and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        time.sleep(late_s)  # the moment of death is what is drawn here
        alive = self.process.poll() is None
        self.process.kill()
        self.close()
        return alive

    def close(self) -> None:
        """Wait for its end and close the pipes."""
        self.process.wait(_PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def play_killed(
    number: int,
    market: tws_sim.Market,
    qualified: Mapping[FuturesContract, QualifiedContract],
    folder: Path,
    *,
    latest_s: float = 0.2,
) -> tuple[Outcome, str]:
    """Send, kill at a random moment, send again from this process, trade, and compare.

    Also returns when the sender died, by what the gateway had of its orders; empty where it had
    ended before.
    """
    draw = random.Random(number)
    orders = draw.randint(1, 40)
    evening = Evening(scenario="", orders=make_orders(orders, seed=number))
    url = f"sqlite:///{(folder / f'killed-{number}.sqlite').as_posix()}"
    with gateway_of(market, "", seed=number) as gateway:
        job = {
            "host": gateway.host,
            "port": str(gateway.port),
            "ledger": url,
            "orders": str(orders),
            "seed": str(number),
            "now": MONDAY_EVENING.isoformat(),
            "con_ids": json.dumps({c.symbol: q.con_id for c, q in qualified.items()}),
        }
        first = Sender()
        first.begin(job)
        wanted, late_s = draw.randint(0, orders), draw.uniform(0.0, latest_s)
        killed = first.kill_when(lambda: len(gateway.orders()), wanted, late_s=late_s)
        reached = len(gateway.orders())
        asyncio.run(send(job))
        gateway.advance_to(AFTER_THE_OPEN)
        asyncio.run(send(job))
        outcome = hold_against_the_book(evening, gateway, url)
    if outcome.states["unknown"] > int(killed):
        outcome.wrong.append(f"{outcome.states['unknown']} unknown")
    death = "before any" if not reached else "among" if reached < orders else "after all"
    return outcome, f"{death} of its orders" if killed else ""
