"""Throw malformed and truncated frames at the paper gateway, and see that it bears them.

    PYTHONPATH=src:tests python bench/gateway_fuzz.py --frames 1000000 --seed 1

Every frame is a valid one with a field replaced, dropped, doubled or cut, or the whole frame with
bytes flipped. Ends with 1 if a session stopped serving; a crash shows as one.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.session import HANDLERS
from afterclose.tws_sim.wire import frame
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding, write_market
from unit.tws_sim.sim_session import CRUDE, Wire, gateway_of, order_message

ODD = (
    *("", "0", "-1", "x", "nan", "Infinity", "1e999", "1E-400", "9" * 25, "2147483647"),
    *("1.7976931348623157E308", "\u00b2", "\U0001f600", "2 D", "9999 Y", "00010101-00:00:00"),
    *("20251201 23:00:00 ../../etc/passwd", "BAG", "CASH", "MOC", "GTD", "\\", "A" * 5000),
)
WAYS = ("replace", "drop", "add", "end", "flip", "cut")
PER_SESSION = 5000


def seeds() -> list[bytes]:
    """Valid messages to start from."""
    query = (*CRUDE, "0")
    return [
        order_message(7, limit="59.00"),
        order_message(8, kind="STP", aux="58.00", tif="GTC"),
        frame(9, 8, 5, *query, "", "", ""),
        frame(20, 5, *query, "", "1 day", "21 D", 0, "TRADES", 1, 0, ""),
        frame(1, 11, 5, *CRUDE, 0, "", 1, 0, ""),
        frame(87, 5, *query, 0, "TRADES", 1),
        frame(62, 1, 5, "All", "NetLiquidation,$LEDGER:ALL"),
        frame(7, 3, 5, 0, "", "", "", "", "", ""),
        frame(4, 1, 7, ""),
        *(frame(kind, 1, 1, 1, 1) for kind in HANDLERS),
    ]


def broken(message: bytes, source: random.Random) -> bytes:
    """Break a message in one way."""
    fields = message[4:].decode().split("\0")[:-1]
    place = source.randrange(len(fields))
    match source.choice(WAYS):
        case "replace":
            fields[place] = source.choice(ODD)
        case "drop":
            del fields[place]
        case "add":
            fields.insert(place, source.choice(ODD))
        case "end":
            fields = fields[:place]
        case "flip":
            body = bytearray(message[4:])
            body[source.randrange(len(body))] = source.randrange(256)
            return len(body).to_bytes(4, "big") + bytes(body)
        case _:
            body = bytearray(message[4 : 4 + source.randrange(len(message) - 4)])
            return len(body).to_bytes(4, "big") + bytes(body)
    return frame(*fields)


def fresh(market: tws_sim.Market) -> Gateway:
    spec = account(holding("ES", "202512", 3, "6500"))
    unlimited = "[connection]\nmessages_per_second = 0"
    return gateway_of(market, spec, tws_sim.FrozenClock(TUESDAY_OPEN), unlimited)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        market = tws_sim.Market.from_folder(write_market(Path(folder)))
    source = random.Random(arguments.seed)  # noqa: S311 - to be repeatable
    starts = seeds()
    began, slowest = time.perf_counter(), 0.0
    wire = Wire(fresh(market))
    for number in range(arguments.frames):
        if number % PER_SESSION == 0:
            wire = Wire(fresh(market))
            wire.start()
        message = broken(source.choice(starts), source)
        before = time.perf_counter()
        wire.session.receive(message)
        slowest = max(slowest, time.perf_counter() - before)
        if wire.session.is_closed:
            print(f"frame {number} ended the session: {message!r}")
            return 1
    alive = wire.send(49, 1)[-1][0] == "49"
    spent = time.perf_counter() - began
    print(
        f"{arguments.frames:,} frames in {spent:,.0f} s, slowest {slowest * 1000:.0f} ms, "
        f"still serving: {alive}"
    )
    return int(not alive)


if __name__ == "__main__":
    sys.exit(main())
