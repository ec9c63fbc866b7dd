"""The write-up's reads for one evening, with the write-up's waits, on the same gateway.

Connect and wait a second; for each order ask for daily bars and look every half second whether they
have come; the same for nine currency pairs; wait ten seconds for the cash. One after the other. The
client is ib_async itself, none of our code.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from ib_async import IB, Contract

CONNECT_S, POLL_S, CASH_S = 1.0, 0.5, 10.0
PAIRS = (
    ("EUR", "USD"), ("AUD", "USD"), ("USD", "CAD"), ("CHF", "USD"), ("GBP", "USD"),
    ("USD", "HKD"), ("USD", "JPY"), ("KRW", "USD"), ("USD", "SGD"),
)  # fmt: skip


async def polled(ib: IB, contract: Contract, show: str) -> None:
    """Ask for bars and look every half second."""
    asked = asyncio.create_task(
        ib.reqHistoricalDataAsync(contract, "", "21 D", "1 day", show, useRTH=False)
    )
    while not asked.done():  # noqa: ASYNC110 - the write-up polls, and this is what it costs
        await asyncio.sleep(POLL_S)
    asked.result()


async def evening(host: str, port: int, contracts: list[dict[str, str]]) -> float:
    """Return the seconds that the reads take."""
    ib = IB()
    began = time.perf_counter()
    await ib.connectAsync(host, port, clientId=31, readonly=True)
    await asyncio.sleep(CONNECT_S)
    for facts in contracts:
        await polled(ib, Contract.create(secType="FUT", **facts), "TRADES")
    for symbol, currency in PAIRS:
        cash = Contract(secType="CASH", symbol=symbol, currency=currency, exchange="IDEALPRO")
        await polled(ib, cash, "MIDPOINT")
    await asyncio.sleep(CASH_S)
    ib.accountValues()
    took = time.perf_counter() - began
    ib.disconnect()
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    arguments = parser.parse_args()
    contracts = json.loads(input())
    print(asyncio.run(evening(arguments.host, arguments.port, contracts)))


if __name__ == "__main__":
    main()
