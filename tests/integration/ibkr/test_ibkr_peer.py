"""Answers that the paper gateway does not give, typed by hand from the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from afterclose.adapters.ibkr.reader import IbkrReader, open_reader
from afterclose.domain.contracts import Currency
from afterclose.domain.market import AnswerState
from integration.ibkr.gateways import PATIENCE_S
from integration.ibkr.peer import Answers, Peer, listening
from unit.ibkr.ibkr_values import ACCOUNT, ES, QUALIFIED_ES

pytestmark = pytest.mark.anyio

PACED = "Historical Market Data Service error message:API historical data query pacing violation"
BAR = ("20251201", 6820, 6850, 6800, 6810, 100000, 6825, 9)


@asynccontextmanager
async def reading(answers: dict[str, Answers]) -> AsyncIterator[tuple[Peer, IbkrReader]]:
    async with (
        listening(answers) as (peer, port),
        open_reader(
            host="127.0.0.1",
            port=port,
            client_id=7,
            account=ACCOUNT,
            timeout_s=PATIENCE_S,
            pacing_pause_s=0,
        ) as reader,
    ):
        yield peer, reader


def paced_times(times: int) -> Answers:
    """Refuse so many history requests for their pace, then answer with one bar."""
    left = [times]

    def answer(fields: list[str]) -> list[tuple[object, ...]]:
        if left[0]:
            left[0] -= 1
            return [(4, 2, fields[1], 162, PACED, "")]
        return [(17, fields[1], "", "", 1, *BAR)]

    return answer


async def test_a_pacing_violation_is_repeated_once() -> None:
    async with reading({"20": paced_times(1)}) as (peer, reader):
        bars = (await reader.daily_bars([QUALIFIED_ES], sessions=21))[ES.contract]
    assert bars.state is AnswerState.VALUE
    assert bars.bars[0].close == Decimal(6810)
    assert len(peer.of_kind("20")) == 2


async def test_a_second_pacing_violation_leaves_the_bars_unknown() -> None:
    async with reading({"20": paced_times(2)}) as (peer, reader):
        bars = (await reader.daily_bars([QUALIFIED_ES], sessions=21))[ES.contract]
    assert (bars.state, bars.code) == (AnswerState.UNKNOWN, 162)
    assert len(peer.of_kind("20")) == 2


async def test_history_is_asked_for_all_hours_up_to_now_and_by_contract_number() -> None:
    async with reading({"20": paced_times(0)}) as (peer, reader):
        await reader.daily_bars([QUALIFIED_ES], sessions=21)
        fields = await peer.next("20")
    assert fields[2:5] == ["500410671", "", "FUT"]
    assert fields[9] == "CME"
    # includeExpired end bar duration useRTH what format
    assert fields[14:21] == ["0", "", "1 day", "38 D", "0", "TRADES", "1"]


async def test_a_quote_without_any_word_beyond_its_end_is_empty() -> None:
    async with reading({"1": lambda f: [(57, 1, f[2])]}) as (peer, reader):
        quote = (await reader.quotes([QUALIFIED_ES]))[ES.contract]
        kind = await peer.next("59")
    assert quote.state is AnswerState.EMPTY
    assert kind == ["59", "1", "3"]


async def test_a_quote_is_a_snapshot_and_a_quiet_side_is_none() -> None:
    def answer(fields: list[str]) -> list[tuple[object, ...]]:
        number = fields[2]
        return [
            (58, 1, number, 4),
            (1, 6, number, 66, "-1", "0", 0),
            (1, 6, number, 67, "-1", "0", 0),
            (1, 6, number, 68, "6810.25", "2", 0),
            (1, 6, number, 75, "6820", "0", 0),
        ]

    async with reading({"1": answer}) as (peer, reader):
        quote = (await reader.quotes([QUALIFIED_ES]))[ES.contract]
        fields = await peer.next("1")
    assert (quote.bid, quote.ask) == (None, None)
    assert (quote.last, quote.close) == (Decimal("6810.25"), Decimal(6820))
    assert quote.kind == "delayed-frozen"
    assert fields[-3:] == ["1", "0", ""]  # snapshot, no regulatory one, no options


POSITION = (500410671, "ES", "FUT", "20251219", "0", "", "50", "", "USD", "ESZ5", "ES")


def account_answers(*, ready: str = "true", quantity: object = 3) -> dict[str, Answers]:
    """An account of EUR with one position, whose contract cannot be looked up."""

    def values(fields: list[str]) -> list[tuple[object, ...]]:
        rows = [
            ("AccountReady", ready, ""),
            ("NetLiquidation", "1000000.50", "EUR"),
            ("InitMarginReq", "1.7976931348623157E308", "EUR"),
            ("CashBalance", "250000", "USD"),
            ("CashBalance", "999", "BASE"),
        ]
        return [*((73, 1, fields[2], ACCOUNT, "", *row) for row in rows), (74, 1, fields[2])]

    return {
        "76": values,
        "61": lambda _: [
            (61, 3, ACCOUNT, *POSITION, quantity, "340500.25"),
            (61, 3, "DU7654321", *POSITION, 99, "340500.25"),
            (62, 1),
        ],
        "9": lambda f: [(4, 2, f[2], 200, "No security definition has been found", "")],
        "16": lambda _: [(53, 1)],
    }


async def test_an_account_in_euros_is_read_with_its_own_positions_only() -> None:
    async with reading(account_answers()) as (peer, reader):
        account = await reader.account(ACCOUNT)
        await peer.next("77")
        await peer.next("64")  # both subscriptions are ended
    assert (account.base, account.unknown) == ("EUR", ())
    assert account.net_liquidation == Decimal("1000000.50")
    assert account.initial_margin is None
    assert account.cash == {Currency("USD"): Decimal(250000)}
    assert account.positions is not None
    (held,) = account.positions
    assert (held.quantity, held.contract_month) == (3, None)
    assert held.average_cost == Decimal("340500.25")


async def test_figures_of_a_gateway_that_still_loads_are_unknown() -> None:
    async with reading(account_answers(ready="false")) as (_, reader):
        account = await reader.account(ACCOUNT)
    assert account.unknown == ("account values",)
    assert account.net_liquidation is None
    assert account.cash == {}
    assert account.positions is not None


@pytest.mark.parametrize("quantity", ["2.5", "some", "1.7976931348623157E308"])
async def test_positions_that_cannot_be_read_are_unknown_and_never_fewer(quantity: str) -> None:
    async with reading(account_answers(quantity=quantity)) as (_, reader):
        account = await reader.account(ACCOUNT)
    assert account.positions is None
    assert account.unknown == ("positions",)


async def test_a_client_number_that_becomes_free_is_taken_at_the_second_try() -> None:
    async with listening() as (peer, port):
        peer.turns_away = 1
        async with open_reader(host="127.0.0.1", port=port, client_id=7, account=ACCOUNT) as reader:
            assert list(await reader.accounts()) == [ACCOUNT]
    assert peer.connections == 2
