"""How long the audit's reads take: a hundred orders over 71 roots against the paper gateway.

    PYTHONPATH=src:tests python bench/audit.py [--orders 100] [--no-baseline]

The gateway answers every request 50 ms late and allows 50 messages a second and, as IB does, 50
open history requests. Printed: the requests by kind and per order, the time those limits alone
give, ours, the what-ifs apart, and the time of the write-up's requests with the write-up's waits
(``baselines/audit_writeup.py``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import count, islice
from pathlib import Path

from afterclose import tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ibkr import open_margin_preview
from afterclose.domain.contracts import ContractSpec, MappedContract, QualifiedContract
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.evening import mapping_check
from afterclose.models.futures_rules import UNIVERSE
from afterclose.stages import mapping
from integration.audit.evenings import (
    EVENING,
    SESSION,
    TOMORROW,
    audited,
    order,
    snapshot_of,
    vendor_close,
)
from integration.ibkr.gateways import reader_of
from unit.ibkr.ibkr_values import ACCOUNT

_GREETING, _LENGTH = b"API\0", 4
Asked = list[tuple[BasketOrder, QualifiedContract]]
LATENCY_S, PER_SECOND, ROOTS = 0.05, 50, 71
SCENARIO = f"[connection]\nslow_answers_s = {LATENCY_S}\nmessages_per_second = {PER_SECOND}"
KINDS = {
    "1": "quote snapshot", "2": "quote cancelled", "9": "contract details", "20": "daily bars",
    "25": "history cancelled", "49": "server time", "59": "market data type", "16": "open orders",
    "61": "positions", "64": "positions cancelled", "76": "account values",
    "77": "account values cancelled", "71": "start", "99": "completed orders", "3": "what-if",
}  # fmt: skip


class Counting:
    """A tap that counts the messages of the client, by kind."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._rest = b""
        self._greeted = False

    def opened(self, _connection: int) -> None:
        self._rest, self._greeted = b"", False

    def closed(self, _connection: int) -> None:
        pass

    def sent(self, _connection: int, _data: bytes) -> None:
        pass

    def received(self, _connection: int, data: bytes) -> None:
        self._rest += data
        if not self._greeted:  # "API\0" and a frame of versions
            if not self._rest.startswith(_GREETING) or len(self._rest) == len(_GREETING):
                return
            self._rest = self._rest.removeprefix(_GREETING)
            self._greeted = self._frame() is not None
        while (frame := self._frame()) is not None:
            kind = frame.split(b"\0", 1)[0].decode()
            self.kinds[KINDS.get(kind, f"message {kind}")] += 1

    def _frame(self) -> bytes | None:
        """Take one frame: four bytes of length, then so many bytes."""
        end = _LENGTH + int.from_bytes(self._rest[:_LENGTH], "big")
        if len(self._rest) < max(end, _LENGTH):
            return None
        frame, self._rest = self._rest[_LENGTH:end], self._rest[end:]
        return frame


def chosen_specs() -> list[ContractSpec]:
    """The models' 71 roots; those that are blocked are replaced by others of the table."""
    specs = packaged_specs()
    names = [*UNIVERSE, *sorted(set(specs) - set(UNIVERSE))]
    usable = (specs[n] for n in names if n in specs and not specs[n].blocked)  # type: ignore[index]  # names of roots
    return list(islice(usable, ROOTS))


def orders_of(market: tws_sim.Market, wanted: int) -> list[BasketOrder]:
    """One order per root in its first month, then in its second, until there are enough."""
    made: list[BasketOrder] = []
    for month in count():
        for spec in chosen_specs():
            contract = mapping.months_to_check(spec, SESSION, count=month + 1)[month]
            what = MappedContract(contract=contract, spec=spec)
            made.append(order(market, what, 2, kind=TradeKind.ENTRY))
            if len(made) == wanted:
                return made
    raise AssertionError("unreachable: months do not end")


def bound_s(messages: int) -> float:
    """Seconds that the limits alone give: full seconds of fifty messages, and three answers.

    The handshake, the contract's details and the last of the bars or quotes follow each other.
    """
    return (messages - 1) // PER_SECOND + 3 * LATENCY_S


async def ours(gateway: tws_sim.RunningGateway, orders: list[BasketOrder]) -> tuple[float, Asked]:
    """Return seconds from connecting to the finished audit, and what is to be asked next."""
    began = time.perf_counter()
    async with reader_of(gateway) as reader:
        report = await audited(reader, gateway, orders)
    took = time.perf_counter() - began
    unknown = sum(r.qualified is None or r.close is None or r.drift is None for r in report.rows)
    if unknown:
        raise SystemExit(f"{unknown} rows with an unknown: nothing is measured that way")
    return took, [(r.order, r.qualified) for r in report.rows if r.qualified is not None]


async def timed_mapping_check(
    gateway: tws_sim.RunningGateway, market: tws_sim.Market, orders: list[BasketOrder]
) -> float:
    """Return the seconds that the mapping check adds: one contract per root, none traded."""
    asked = list({o.contract.root: o.mapped for o in reversed(orders)}.values())
    question = mapping.MappingQuestion(
        session=SESSION,
        contracts=asked,
        vendor={},
        closes={m.contract: vendor_close(market, m.contract) for m in asked},
    )
    async with reader_of(gateway) as reader:
        live = await snapshot_of(reader, gateway, orders)
        began = time.perf_counter()
        tonight = await mapping_check.check(reader, question, [], live)
        took = time.perf_counter() - began
    if tonight.findings:
        raise SystemExit(f"the check did not come out clear: {tonight.findings[0]}")
    return took


async def margins(gateway: tws_sim.RunningGateway, asked: Asked) -> float:
    """Return the seconds from connecting to the last what-if's answer."""
    began = time.perf_counter()
    address = {"host": gateway.host, "port": gateway.port, "client_id": 9, "account": ACCOUNT}
    async with open_margin_preview(**address) as preview:
        answers = await preview.what_ifs(asked)
    took = time.perf_counter() - began
    if any(a.initial_change is None for a in answers.values()):
        raise SystemExit("a what-if without an answer: nothing is measured that way")
    return took


def baseline(gateway: tws_sim.RunningGateway, orders: Iterable[BasketOrder]) -> float:
    """Run the write-up's reads in a process of their own."""
    contracts = [
        {
            "symbol": o.mapped.spec.ib_symbol,
            "exchange": o.mapped.spec.ib_exchange,
            "currency": o.mapped.spec.currency,
            "lastTradeDateOrContractMonth": o.contract.month.yyyymm,
            "tradingClass": o.mapped.spec.trading_class,
            "multiplier": o.mapped.spec.multiplier,
        }
        for o in orders
    ]
    script = Path(__file__).parent / "baselines" / "audit_writeup.py"
    done = subprocess.run(
        [sys.executable, str(script), "--host", gateway.host, "--port", str(gateway.port)],
        input=json.dumps(contracts) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--no-baseline", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    market = tws_sim.generated_market(until=TOMORROW, seed=11)
    orders = orders_of(market, arguments.orders)
    tap = Counting()
    gateway = tws_sim.running(
        market=market,
        account=tws_sim.AccountSpec(cash={"USD": Decimal(50_000_000)}),
        clock=tws_sim.FrozenClock(EVENING),
        scenario=tws_sim.Scenario.from_toml(SCENARIO),
        tap=tap,
    )
    with gateway:
        took, asked = asyncio.run(ours(gateway, orders))
        messages = sum(tap.kinds.values())
        roots = len({o.contract.root for o in orders})
        print(f"{len(orders)} orders over {roots} roots, every row answered whole")
        for kind, number in tap.kinds.most_common():
            print(f"  {number:5d}  {number / len(orders):5.2f} per order  {kind}")
        per_order = messages / len(orders)
        print(f"{messages} messages, {per_order:.2f} per order; ", end="")
        print(f"the limits alone: {bound_s(messages):.2f} s")
        print(f"the audit: {took:.2f} s, {took / bound_s(messages):.2f} times that")
        what_ifs = asyncio.run(margins(gateway, asked))
        print(f"{len(asked)} what-ifs apart: {what_ifs:.2f} s")
        check_took = asyncio.run(timed_mapping_check(gateway, market, orders))
        print(f"the mapping check of {ROOTS} roots apart: {check_took:.2f} s")
        if not arguments.no_baseline:
            slow = baseline(gateway, orders)
            print(f"the write-up's reads and waits: {slow:.1f} s, {slow / took:.1f} times ours")


if __name__ == "__main__":
    main()
