"""Connecting, deadlines, and what happens when the line breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from afterclose import tws_sim
from afterclose.adapters.ibkr.convert import contract_query
from afterclose.adapters.ibkr.reader import open_reader
from afterclose.adapters.ibkr.receiver import Outcome, Part
from afterclose.adapters.ibkr.session import connected
from afterclose.domain.market import AnswerState, QualificationState
from afterclose.errors import AccountMismatch, BrokerError, BrokerTimeout, BrokerUnavailable
from integration.ibkr.gateways import PATIENCE_S, Start, reader_of
from integration.ibkr.hurry import LoopTime, hurried
from unit.ibkr.ibkr_values import ACCOUNT, CL, ES, mapped
from unit.tws_sim.sim_market import MONDAY_EVENING

pytestmark = pytest.mark.anyio


async def connect_to(port: int, *, timeout_s: float = PATIENCE_S) -> None:
    async with open_reader(
        host="127.0.0.1", port=port, client_id=7, account=ACCOUNT, timeout_s=timeout_s
    ):
        pass


async def test_the_gateways_clock_and_accounts_are_read(start: Start) -> None:
    async with reader_of(start()) as reader:
        assert await reader.server_time() == MONDAY_EVENING
        assert list(await reader.accounts()) == [ACCOUNT]


async def test_nobody_listening_is_said_with_the_address_and_what_to_check(port: int) -> None:
    with pytest.raises(BrokerUnavailable, match=f"nobody listens at 127.0.0.1:{port}") as raised:
        await connect_to(port)
    assert "7497" in raised.value.hint


@asynccontextmanager
async def listening(*, closes: bool) -> AsyncIterator[int]:
    """Somebody listens who is no gateway: silent, or closing at once."""
    held: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        if closes:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in held:
            writer.close()


async def test_somebody_who_never_answers_is_not_waited_for_beyond_the_deadline() -> None:
    async with listening(closes=False) as port:
        with pytest.raises(BrokerUnavailable, match=r"no answer .* within 0.2 s"):
            await connect_to(port, timeout_s=0.2)


async def test_somebody_who_closes_the_door_is_noticed_before_the_deadline() -> None:
    async with listening(closes=True) as port:
        with pytest.raises(BrokerUnavailable, match="took the connection and closed it"):
            await connect_to(port, timeout_s=600)


@pytest.mark.slow
async def test_a_client_number_that_stays_in_use_is_tried_twice_and_named(start: Start) -> None:
    gateway = start()
    async with reader_of(gateway, client_id=7):
        with pytest.raises(BrokerError, match="client number 7 is in use") as raised:
            await connect_to(gateway.port)
    assert raised.value.code == 326


async def test_a_client_number_can_be_used_again_at_once_after_a_farewell(start: Start) -> None:
    gateway = start()
    for _ in range(3):
        async with reader_of(gateway, client_id=7) as reader:
            assert await reader.server_time() == MONDAY_EVENING


async def test_another_account_than_the_configured_one_is_refused(start: Start) -> None:
    gateway = start()
    with pytest.raises(AccountMismatch, match=f"U7654321; its login has {ACCOUNT}"):
        async with open_reader(
            host=gateway.host, port=gateway.port, client_id=7, account="U7654321"
        ):
            pass
    async with reader_of(gateway) as reader:
        with pytest.raises(AccountMismatch):
            await reader.account("U7654321")


async def test_several_sessions_live_in_one_process(start: Start) -> None:
    first, second = start(), start()
    async with (
        reader_of(first, client_id=1) as a,
        reader_of(first, client_id=2) as b,
        reader_of(second, client_id=1) as c,
    ):
        times = await asyncio.gather(a.server_time(), b.server_time(), c.server_time())
    assert set(times) == {MONDAY_EVENING}


async def test_what_is_not_answered_in_time_is_unknown_and_never_empty(start: Start) -> None:
    gateway = start()
    async with reader_of(gateway) as reader, hurried(gateway):
        gateway.switch(_slow())
        with pytest.raises(BrokerTimeout):
            await reader.server_time()
        qualified = await reader.qualify([ES, CL])
        fx = await reader.fx_rates(["EUR"], base="USD")  # type: ignore[list-item,arg-type]  # plain text as currencies
        account = await reader.account(ACCOUNT)
        book = await reader.sweep()
    assert {q.state for q in qualified.values()} == {QualificationState.UNKNOWN}
    assert fx.rates == {}
    assert "no answer within" in fx.missing["EUR"]  # type: ignore[index]  # plain text as a currency
    assert account.net_liquidation is None
    assert account.positions is None
    assert account.working_orders is None
    assert set(account.unknown) == {"account values", "positions", "open orders"}
    assert set(book.unknown) == {"open orders", "completed orders", "executions"}


async def test_what_is_here_when_the_deadline_is_looked_at_came_in_time(start: Start) -> None:
    """The machine slept, or had other work, while the answer lay there unread."""
    gateway = start()
    async with connected(
        host=gateway.host, port=gateway.port, client_id=7, timeout_s=PATIENCE_S
    ) as session:
        time = LoopTime()
        asking = asyncio.create_task(session.ask_time())
        await asyncio.sleep(0)
        assert len(session.receiver.by_turn[Part.SERVER_TIME]) == 1  # it is on its way
        for _ in range(3):  # our loop stands still; the gateway reads, and answers
            assert gateway.now == MONDAY_EVENING
        time.put_forward(2 * PATIENCE_S)
        reply = await asking
    assert reply.outcome is Outcome.ENDED
    assert reply.rows == (MONDAY_EVENING.timestamp(),)


async def test_a_line_that_breaks_ends_every_request_under_way_as_unknown(start: Start) -> None:
    gateway = start()
    async with reader_of(gateway) as reader:
        found = (await reader.qualify([ES]))[ES.contract].qualified
        assert found is not None
        gateway.switch(_slow())
        waiting = asyncio.gather(
            reader.quotes([found]),
            reader.daily_bars([found], sessions=5),
            reader.qualify([CL]),
            reader.account(ACCOUNT),
            reader.sweep(),
        )
        await asyncio.sleep(0)
        await asyncio.to_thread(gateway.drop_connections)
        quotes, bars, qualified, account, book = await waiting
        with pytest.raises(BrokerUnavailable, match="was lost"):
            await reader.server_time()
        again = await reader.qualify([CL])
    assert quotes[ES.contract].state is AnswerState.UNKNOWN
    assert bars[ES.contract].state is AnswerState.UNKNOWN
    assert qualified[CL.contract].state is QualificationState.UNKNOWN
    assert account.positions is None
    assert len(book.unknown) == 3
    assert again[CL.contract].state is QualificationState.UNKNOWN


def _slow() -> tws_sim.Scenario:
    return tws_sim.Scenario.from_toml("[connection]\nslow_answers_s = 600")


async def test_a_large_burst_stays_within_the_message_rate(start: Start) -> None:
    gateway = start()
    query = contract_query(mapped("NONE", "203001"))
    async with connected(
        host=gateway.host, port=gateway.port, client_id=7, timeout_s=PATIENCE_S
    ) as session:

        def ask(number: int) -> None:
            session.client.reqContractDetails(number, query)

        replies = await asyncio.gather(*(session.ask(ask) for _ in range(160)))
    assert {(reply.outcome, reply.code) for reply in replies} == {(Outcome.REFUSED, 200)}
    assert 100 not in {code for code, _ in session.receiver.line_messages}
