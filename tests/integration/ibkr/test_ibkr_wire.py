"""What the adapter relies on in ib_async, checked on the bytes: a library change shows here first.

The other side is a hand-written peer: a handshake, and the messages that arrive, field by field.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import pytest

from afterclose.adapters.ibkr.convert import order_contract
from afterclose.adapters.ibkr.pace import PER_SECOND
from afterclose.adapters.ibkr.session import IN_FLIGHT, Session, connected
from afterclose.adapters.ibkr.written_order import ib_order
from afterclose.domain.orders import Action
from integration.ibkr.gateways import PATIENCE_S
from integration.ibkr.peer import Peer, listening
from unit.ibkr.ibkr_values import EVENING, QUALIFIED_ES, order

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def peer_and_session() -> AsyncIterator[tuple[Peer, Session]]:
    async with (
        listening() as (peer, port),
        connected(host="127.0.0.1", port=port, client_id=8, timeout_s=PATIENCE_S) as session,
    ):
        yield peer, session


def test_the_version_that_was_read_and_tested_is_installed() -> None:
    assert version("ib_async") == "2.1.0"


async def test_the_librarys_own_throttle_is_off_and_ours_is_below_ibs_limit() -> None:
    async with peer_and_session() as (_, session):
        assert session.client.MaxRequests == 0
    assert PER_SECOND < 50
    assert IN_FLIGHT < 50


async def test_the_handshake_names_our_levels_and_our_client_number() -> None:
    async with peer_and_session() as (peer, session):
        assert peer.messages[0] == ["v157..178"]
        assert await peer.next("71") == ["71", "2", "8", ""]
        assert session.accounts == ("DU1234567",)
        assert session.receiver.next_valid_id == 41


async def test_connecting_asks_for_nothing_by_itself() -> None:
    async with peer_and_session() as (peer, session):
        session.client.reqCurrentTime()
        await peer.next("49")
        assert [m[0] for m in peer.messages] == ["v157..178", "71", "49"]


async def test_an_order_is_the_114_fields_that_tws_wants_at_level_178() -> None:
    sold = order(action=Action.SELL, quantity=7, limit_price=Decimal("0.0067005"))
    async with peer_and_session() as (peer, session):
        written = ib_order(sold, QUALIFIED_ES, now=EVENING)
        session.client.placeOrder(41, order_contract(QUALIFIED_ES), written)
        fields = await peer.next("3")
    assert len(fields) == 114
    assert fields[1] == "41"
    # conId symbol secType month strike right multiplier exchange primary currency local class
    assert fields[2:14] == [
        *("500410671", "ES", "FUT", "", "0.0", "", "50", "CME", "", "USD", "", "ES"),
    ]
    # action quantity type limit aux tif oca account
    assert fields[16:24] == ["SELL", "7", "LMT", "0.0067005", "", "DAY", "", "DU1234567"]
    # orderRef transmit parentId
    assert fields[26:29] == ["desk-20251201-TF-ESZ25-O1", "1", "0"]
    assert fields[33] == "1"  # outsideRth: in the evening there is no other session
    assert fields[52:54] == ["0", "0"]  # eTradeOnly firmQuoteOnly
    assert fields[82] == ""  # algoStrategy
    assert fields[84] == "0"  # whatIf


async def test_an_algorithm_travels_with_its_parameters() -> None:
    takes_algorithms = replace(QUALIFIED_ES, order_types=("LMT", "ALGO"))
    async with peer_and_session() as (peer, session):
        written = ib_order(order(order_type="ADAPTIVE"), takes_algorithms, now=EVENING)
        session.client.placeOrder(41, order_contract(QUALIFIED_ES), written)
        fields = await peer.next("3")
    assert fields[82:86] == ["Adaptive", "1", "adaptivePriority", "Normal"]


async def test_a_session_counts_its_deadline_and_says_when_nobody_answered() -> None:
    async with peer_and_session() as (_, session):
        session.timeout_s = 0.05
        reply = await session.ask(lambda number: session.client.reqContractDetails(number, _ANY))
    assert not reply.ended
    assert reply.text == "no answer within 0.05 s"


_ANY = order_contract(QUALIFIED_ES)


async def test_the_machines_clock_is_used_where_no_other_is_given() -> None:
    async with peer_and_session() as (_, session):
        before = datetime.fromtimestamp(0, UTC)
        assert session.clock.now() > before
        assert session.clock.now().tzinfo is UTC
