"""Whatever arrives, the gateway neither crashes nor hangs, and goes on serving."""

from __future__ import annotations

import gc
import tracemalloc
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afterclose import tws_sim
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.session import HANDLERS
from afterclose.tws_sim.wire import frame
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding, write_market
from unit.tws_sim.sim_session import CRUDE, Wire, gateway_of, order_message

UNLIMITED = "[connection]\nmessages_per_second = 0"

TOKENS = st.one_of(
    st.sampled_from(
        [
            *("", "0", "1", "-1", "2", "8", "11", "CL", "ES", "FUT", "CASH", "BAG", "202601"),
            *("20251219", "NYMEX", "CME", "USD", "EUR", "TRADES", "MIDPOINT", "SCHEDULE"),
            *("1 day", "5 D", "1 Y", "9999 Y", "\u00b2 D", "BUY", "SELL", "LMT", "MKT", "STP"),
            *(
                "DAY",
                "GTC",
                "20251201-23:00:00",
                "20251201 23:00:00 Nowhere/Town",
                "00010101-00:00:00",
            ),
            *("20251201 23:00:00 ../../etc", "1.7976931348623157E308", "2147483647", "-2147483648"),
            *(
                "1e999",
                "1E-300",
                "9" * 30,
                "nan",
                "Infinity",
                "0.1",
                "59.31",
                "-37.63",
                "500600672",
            ),
        ]
    ),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)
MESSAGES = st.builds(
    lambda kind, fields: frame(kind, *fields),
    st.one_of(st.sampled_from(sorted(HANDLERS)), st.integers(-5, 300)),
    st.lists(TOKENS, max_size=40),
)


def _replaced(message: bytes, place: int, token: str) -> bytes:
    fields = message[4:].decode().split("\0")[:-1]
    fields[place % len(fields)] = token
    return frame(*fields)


def _changed_order(number: int, place: int, token: str) -> bytes:
    return _replaced(order_message(number, limit="59.00"), place, token)


def _changed_query(kind: int, place: int, token: str) -> bytes:
    heads: dict[int, tuple[object, ...]] = {1: (1, 11, 5), 9: (9, 8, 5), 20: (20, 5), 87: (87, 5)}
    tails: dict[int, tuple[object, ...]] = {
        1: (0, "", 1, 0, ""),
        9: (0, "", "", ""),
        20: (0, "", "1 day", "21 D", 0, "TRADES", 1, 0, ""),
        87: (0, 0, "TRADES", 1),
    }
    fields = [str(each) for each in (*heads[kind], *CRUDE, *tails[kind])]
    return _replaced(frame(*fields), place + 1, token)


ORDERS = st.builds(_changed_order, st.integers(1, 10_000), st.integers(1, 113), TOKENS)
QUERIES = st.builds(_changed_query, st.sampled_from([1, 9, 20, 87]), st.integers(0, 20), TOKENS)


@cache
def market() -> tws_sim.Market:
    with TemporaryDirectory() as folder:
        return tws_sim.Market.from_folder(write_market(Path(folder)))


def gateway() -> Gateway:
    return gateway_of(
        market(),
        account(holding("ES", "202512", 3, "6500")),
        tws_sim.FrozenClock(TUESDAY_OPEN),
        UNLIMITED,
    )


def serves(wire: Wire) -> bool:
    """Whether a session still answers; a request of its own may have been cut short before."""
    return not wire.session.is_closed and wire.send(49, 1)[-1][0] == "49"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(MESSAGES, ORDERS, QUERIES), max_size=25))
def test_messages_with_any_fields_are_answered_and_the_session_lives(messages: list[bytes]) -> None:
    wire = Wire(gateway())
    wire.start()

    for message in messages:
        wire.receive(message)

    assert serves(wire)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_leave_a_session_that_serves_or_is_closed(chunks: list[bytes]) -> None:
    core = gateway()
    raw, started = Wire(core), Wire(core)
    started.start()

    for chunk in chunks:
        raw.session.receive(chunk)
        started.session.receive(chunk)
    bystander = Wire(core)
    bystander.start(99)

    assert serves(bystander)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(MESSAGES, ORDERS, QUERIES), min_size=1, max_size=10),
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
)
def test_answers_do_not_depend_on_how_the_stream_was_chopped(
    messages: list[bytes], lengths: list[int]
) -> None:
    whole, chopped = Wire(gateway()), Wire(gateway())
    whole.start()
    chopped.start()
    stream = b"".join(messages)

    expected = whole.receive(stream)
    answers, place, turn = [], 0, 0
    while place < len(stream):
        step = lengths[turn % len(lengths)]
        answers += chopped.receive(stream[place : place + step])
        place, turn = place + step, turn + 1

    assert answers == expected


@pytest.mark.slow
def test_broken_messages_leave_no_memory_behind() -> None:
    core = gateway()
    wire = Wire(core)
    wire.start()
    broken = [
        message
        for place in range(1, 114)
        for message in (
            _changed_order(1 + place, place, "\u00b2"),
            _changed_query(9, place, "nan"),
            _changed_query(20, place, "9" * 25),
            frame(place, "x"),
        )
    ]
    for message in broken:
        wire.session.receive(message)
    gc.collect()
    tracemalloc.start()
    for _ in range(20_000 // len(broken)):
        for message in broken:
            wire.session.receive(message)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert serves(wire)
    assert grown < 500_000
