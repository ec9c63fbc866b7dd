"""A login with several accounts: the configured one is read, whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from afterclose.adapters.ibkr.reader import open_reader
from afterclose.domain.contracts import Currency
from afterclose.domain.market import MarketSnapshot
from afterclose.errors import AccountMismatch
from afterclose.stages import snapshot
from integration.audit.evenings import EVENING, SESSION, mapped
from integration.ibkr.gateways import PATIENCE_S
from integration.ibkr.hurry import hurried
from integration.ibkr.peer import Answers, Peer
from unit.ibkr.ibkr_values import ACCOUNT

pytestmark = pytest.mark.anyio

OTHER = "DU7654321"
#: Account values: key, value, currency, one account each; then the end.
VALUES: Mapping[str, str] = {OTHER: "9999999", ACCOUNT: "250000"}


class Frozen:
    def now(self) -> datetime:
        return EVENING


class TwoAccounts(Peer):
    """Names the other account first; tells values of whichever account is asked for."""

    def _say(self, writer: asyncio.StreamWriter, *fields: object) -> None:
        told = (15, 1, f"{OTHER},{ACCOUNT}") if fields[0] == 15 else fields
        super()._say(writer, *told)


def values(fields: list[str]) -> list[tuple[object, ...]]:
    request, account = fields[2], fields[3]
    row = (73, 1, request, account, "", "NetLiquidation", VALUES[account], "USD")
    return [row, (74, 1, request)]


def positions(_fields: list[str]) -> list[tuple[object, ...]]:
    def row(account: str, quantity: int) -> tuple[object, ...]:
        contract = (4711, "ES", "FUT", "20251219", 0, "", "50", "CME", "USD", "ESZ5", "ES")
        return (61, 3, account, *contract, quantity, "340500.25")

    return [row(OTHER, 99), row(ACCOUNT, 2), (62, 1)]


ANSWERS: dict[str, Answers] = {"76": values, "61": positions}


@asynccontextmanager
async def two_accounts() -> AsyncIterator[int]:
    peer = TwoAccounts(ANSWERS)
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def read(port: int, account: str) -> MarketSnapshot:
    async with (
        open_reader(
            host="127.0.0.1",
            port=port,
            client_id=7,
            account="",
            timeout_s=PATIENCE_S,
            pacing_pause_s=0,
        ) as reader,
        hurried(),
    ):
        request = snapshot.SnapshotRequest(
            session=SESSION,
            account=account,
            contracts=(mapped("ES", "202512"),),
            sessions=25,
            base=Currency("USD"),
        )
        return await snapshot.run(reader, request, Frozen())


async def test_the_configured_account_is_read_and_not_the_first() -> None:
    async with two_accounts() as port:
        live = await read(port, ACCOUNT)

    assert live.account.account == ACCOUNT
    assert live.account.net_liquidation == 250_000
    assert live.account.held(4711) == 2


async def test_an_account_that_the_login_does_not_have_is_refused_by_name() -> None:
    async with two_accounts() as port:
        with pytest.raises(AccountMismatch, match=f"{OTHER}, {ACCOUNT}"):
            await read(port, "DU1111111")
