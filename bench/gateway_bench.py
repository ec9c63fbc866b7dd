"""How fast the paper gateway is, and how much memory its orders take.

    PYTHONPATH=src:tests python bench/gateway_bench.py [--orders 100000] [--ibapi PYTHON]

Round trips are measured through real clients; the gateway's own share is measured on its session,
without sockets, in processor seconds of one core, so that other load on the machine does not show.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.session import Session
from afterclose.tws_sim.wire import frame

if sys.platform != "win32":
    import resource
from conformance.probes import Probe, probe_of
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding, write_market

ROUND_TRIPS = 1000
SCENARIO = "[connection]\nmessages_per_second = 0\n[orders]\nmargin_check = false"
CRUDE = ["", "CL", "FUT", "202601", "0.0", "", "", "NYMEX", "", "USD", "", ""]


def market() -> tws_sim.Market:
    with tempfile.TemporaryDirectory() as folder:
        return tws_sim.Market.from_folder(write_market(Path(folder)))


def order_fields(order_id: int, quantity: int, price: str) -> list[str]:
    """A plain limit order as a client of dialect 178 sends it: 114 fields."""
    fields = [""] * 114
    fields[:14] = ["3", str(order_id), *CRUDE]
    fields[16:22] = ["BUY", str(quantity), "LMT", price, "", "DAY"]
    fields[25:28] = ["0", f"ref-{order_id}", "1"]
    for place in (28, 29, 30, 31, 32, 33, 34, 46, 49, 52, 53, 55, 61, 80, 81, 84, 86, 87, 88, 89):
        fields[place] = "0"
    fields[81] = "0"
    fields[82] = ""
    return fields


class Direct:
    """A session without a socket."""

    def __init__(self) -> None:
        self.gateway = Gateway(
            market=market(),
            account=account(holding("ES", "202512", 3, "6500")),
            clock=tws_sim.FrozenClock(TUESDAY_OPEN),
            scenario=tws_sim.Scenario.from_toml(SCENARIO),
        )
        self.session = Session(self.gateway, meter=time.monotonic)
        self.session.receive(b"API\0" + len(b"v100..178").to_bytes(4, "big") + b"v100..178")
        self.session.receive(frame(71, 2, 1, ""))

    def per_second(self, name: str, messages: list[bytes]) -> None:
        began = time.process_time()
        answers = sum(len(self.session.receive(message)) for message in messages)
        spent = time.process_time() - began
        count = len(messages)
        print(
            f"{name:<44} {count / spent:>9,.0f} requests/s {(count + answers) / spent:>9,.0f}"
            f" messages/s {spent / count * 1e6:>8.0f} us each"
        )


def direct() -> None:
    """Measure the gateway's own share of each message."""
    bench = Direct()
    count = 5000
    bench.per_second("current time", [frame(49, 1)] * count)
    details = [frame(9, 8, number, *CRUDE, 0, "", "", "") for number in range(count)]
    bench.per_second("contract details", details)
    history = [
        frame(20, number, *CRUDE, 0, "", "1 day", "21 D", 0, "TRADES", 1, 0, "")
        for number in range(count)
    ]
    bench.per_second("daily bars", history)
    snapshots = [frame(1, 11, number, *CRUDE, 0, "", 1, 0, "") for number in range(count)]
    bench.per_second("snapshots", snapshots)
    orders = [frame(*order_fields(number, 1, "59.50")) for number in range(1, count + 1)]
    bench.per_second("limit orders that fill at once", orders)
    bench.per_second("positions", [frame(61, 1)] * 1000)


def memory(orders: int) -> None:
    """Measure what an order costs."""
    bench = Direct()
    began, before = time.process_time(), peak_mb()
    for number in range(1, orders + 1):
        bench.session.receive(frame(*order_fields(number, 1, "59.50")))
    spent, grown = time.process_time() - began, peak_mb() - before
    kept = len(bench.gateway.exchange.orders)
    print(
        f"{kept:,} orders, each filled: {grown:,.0f} MB more, {grown * 1e6 / max(kept, 1):,.0f} "
        f"bytes each, {orders / spent:,.0f} orders/s"
    )


def peak_mb() -> float:
    """The largest memory this process has had; not known on Windows."""
    if sys.platform == "win32":
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def round_trips(client: str) -> dict[str, float]:
    """Measure three kinds of request through a real client; return seconds by kind."""
    gateway = tws_sim.running(
        market=market(),
        account=account(),
        clock=tws_sim.FrozenClock(TUESDAY_OPEN),
        scenario=tws_sim.Scenario.from_toml(SCENARIO),
    )
    with gateway:
        probe = probe_of(client)
        unthrottle(probe)
        probe.connect(gateway.host, gateway.port, 1)
        probe.ready()
        fields = {"exchange": "NYMEX", "currency": "USD", "lastTradeDateOrContractMonth": "202601"}
        contract = probe.qualified(symbol="CL", **fields)
        found = {
            "contract details": timed(lambda: probe.details(symbol="CL", **fields)),
            "daily bars": timed(lambda: probe.bars(contract, duration="21 D")),
            "orders, sent to filled": timed(lambda: filled(probe, contract)),
        }
        probe.disconnect()
    return found


def filled(probe: Probe, contract: object) -> None:
    order_id = probe.place(contract, probe.order("BUY", 1))
    probe.wait_status(order_id, "Filled", since=max(0, probe.log.mark - 50))


def unthrottle(probe: Probe) -> None:
    """ib_async holds itself to 45 messages a second unless told otherwise."""
    client = getattr(probe, "_client", None)
    if client is not None and hasattr(client, "MaxRequests"):
        client.MaxRequests = 0


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(ROUND_TRIPS):
        act()
    return time.perf_counter() - began


def show_round_trips(client: str, found: dict[str, float]) -> None:
    for name, seconds in found.items():
        each = seconds / ROUND_TRIPS * 1000
        print(f"{client}: {ROUND_TRIPS} x {name:<24} {seconds:6.2f} s, {each:5.2f} ms each")


async def flood(connections: int, count: int) -> None:
    """Measure requests through sockets, many in flight: the server's limit on one core."""
    gateway = tws_sim.running(
        market=market(),
        account=account(),
        clock=tws_sim.FrozenClock(TUESDAY_OPEN),
        scenario=tws_sim.Scenario.from_toml(SCENARIO),
    )
    with gateway:
        began = time.perf_counter()
        await asyncio.gather(
            *(pour(gateway.host, gateway.port, number, count) for number in range(connections))
        )
        spent = time.perf_counter() - began
    total = connections * count
    print(
        f"{connections} connections x {count:,} contract details: {total / spent:,.0f} requests/s"
    )


async def pour(host: str, port: int, client_id: int, count: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"API\0" + len(b"v100..178").to_bytes(4, "big") + b"v100..178")
    await read_frame(reader)
    writer.write(frame(71, 2, client_id, ""))
    for number in range(count):
        writer.write(frame(9, 8, number, *CRUDE, 0, "", "", ""))
    writer.write(frame(49, 1))
    while not (await read_frame(reader)).startswith(b"49\0"):
        pass
    writer.close()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(4), "big")
    return await reader.readexactly(length)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--ibapi", type=Path, help="a Python with ibapi installed")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.only:
        print(json.dumps(round_trips(arguments.only)))
        return 0
    direct()
    asyncio.run(flood(4, 2500))
    show_round_trips("ib_async", round_trips("ib_async"))
    if arguments.ibapi:
        command = [str(arguments.ibapi), __file__, "--only", "ibapi"]
        answer = subprocess.run(command, check=True, capture_output=True)
        show_round_trips("ibapi", json.loads(answer.stdout.splitlines()[-1]))
    memory(arguments.orders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
