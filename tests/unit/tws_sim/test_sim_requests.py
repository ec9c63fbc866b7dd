from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.data_requests import first_session
from afterclose.tws_sim.directory import Directory
from afterclose.tws_sim.orders import Status
from afterclose.tws_sim.requests import read_instant
from afterclose.tws_sim.wire import Field, WireError
from unit.tws_sim.conftest import MakeGateway
from unit.tws_sim.sim_market import TUESDAY_CLOSE, TUESDAY_OPEN, write_market
from unit.tws_sim.sim_session import CRUDE, Wire, errors_of, order_message


@pytest.fixture
def wire(make_gateway: MakeGateway) -> Wire:
    made = Wire(make_gateway())
    made.start()
    return made


@pytest.mark.parametrize(
    ("text", "instant", "stated"),
    [
        ("20251202-06:00:00", datetime(2025, 12, 2, 6, tzinfo=UTC), True),
        ("20251202 06:00:00 US/Central", datetime(2025, 12, 2, 12, tzinfo=UTC), True),
        ("20250702 06:00:00 MET", datetime(2025, 7, 2, 4, tzinfo=UTC), True),
        ("20251202 06:00:00", datetime(2025, 12, 2, 11, tzinfo=UTC), False),
        ("20251202 06:00", datetime(2025, 12, 2, 11, tzinfo=UTC), False),
        ("20251202", datetime(2025, 12, 2, 5, tzinfo=UTC), False),
        ("", None, True),
    ],
)
def test_times_are_read_in_every_form_clients_write_them(
    text: str, instant: datetime | None, *, stated: bool
) -> None:
    assert read_instant(text) == (instant, stated)


@pytest.mark.parametrize("text", ["tomorrow", "20251302-00:00:00", "20251202 06:00:00 Mars/Base"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        read_instant(text)


@pytest.mark.parametrize(
    ("duration", "first"),
    [
        ("21 D", None),
        ("2 W", date(2025, 11, 17)),
        ("1 M", date(2025, 11, 1)),
        ("2 Y", date(2023, 12, 1)),
        ("86400 S", date(2025, 11, 29)),
    ],
)
def test_durations_reach_back_from_the_end(duration: str, first: date | None) -> None:
    assert first_session(duration, date(2025, 12, 1)) == first


@pytest.mark.parametrize("duration", ["", "D", "0 D", "-1 D", "1", "1 Q", "\u00b2 D", "1000000 D"])
def test_a_duration_that_is_none_is_refused(duration: str) -> None:
    with pytest.raises(WireError):
        first_session(duration, date(2025, 12, 1))


@pytest.mark.parametrize(
    "fields",
    [
        (14, 1, 5),
        (63, 1, 7),
        (64, 1),
        (77, 1, 7),
        (90, 7),
        (93, 7),
        (95, 7),
        (6, 2, 0, "DU1234567"),
        (59, 1, 3),
    ],
)
def test_requests_that_end_something_are_taken_in_silence(
    wire: Wire, fields: tuple[Field, ...]
) -> None:
    assert wire.send(*fields) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((25, 1, 7), 366),
        ((2, 2, 7), 300),
        ((6, 2, 1, "U999"), 321),
        ((76, 1, 7, "U999", "", 0), 321),
        ((91, 99999), 321),
        ((15, 1, 1), 321),
        ((87, 7, *CRUDE[:3], "202612", *CRUDE[4:], 0, 0, "TRADES", 1), 162),
        ((20, 7, *CRUDE, 0, "", "1 hour", "1 D", 0, "TRADES", 1, 0, ""), 162),
        ((20, 7, *CRUDE, 0, "", "1 day", "1 D", 0, "YIELD_BID", 1, 0, ""), 321),
        ((81,), 320),
    ],
)
def test_requests_that_cannot_be_answered_say_so(
    wire: Wire, fields: tuple[Field, ...], code: int
) -> None:
    assert [found for _, found, _ in errors_of(wire.send(*fields))] == [code]


def test_accounts_user_and_option_chains_are_answered(wire: Wire) -> None:
    assert wire.send(17, 1) == [["15", "1", "DU1234567"]]
    assert wire.send(104, 5) == [["107", "5", ""]]
    assert wire.send(78, 5, "ES", "CME", "FUT", 1) == [["76", "5"]]


def test_results_move_with_the_price_for_who_asked(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()
    first = wire.send(92, 5, "DU1234567", "")
    nothing_held = wire.send(94, 6, "DU1234567", "", 1)

    gateway.clock.advance_to(TUESDAY_OPEN + (TUESDAY_CLOSE - TUESDAY_OPEN) * 2 / 3)
    gateway.tick()

    # Three contracts from 6812 to the high of 6842.
    assert first == [["94", "5", "0", "46800", "0"]]
    assert wire.take() == [["94", "5", "4500", "51300", "0"]]
    assert nothing_held == [["95", "6", "0", "0", "0", "0", "0"]]


def test_an_order_not_transmitted_waits_until_it_is(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()
    message = order_message(1, kind="MKT")
    fields = message[4:].decode().split("\0")[:-1]
    fields[27] = "0"

    wire.send(*fields)
    (order,) = gateway.exchange.orders.values()
    waiting = order.status
    wire.receive(message)

    assert waiting is Status.PRE_SUBMITTED
    assert order.status is Status.FILLED


@pytest.mark.parametrize(
    ("kind", "limit", "aux", "price"),
    [
        # The high of 59.50 comes first, then the low of 58.10, then the close of 58.64.
        ("LOC", "58.70", "", "58.64"),
        ("MIT", "", "58.30", "58.31"),
        ("LIT", "58.25", "58.30", "58.25"),
        ("STP", "", "59.40", "59.41"),
        ("MTL", "", "", "59.31"),
    ],
)
def test_the_less_common_types_trade_where_they_should(
    make_gateway: MakeGateway, kind: str, limit: str, aux: str, price: str
) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()
    wire.receive(order_message(1, kind=kind, limit=limit, aux=aux))

    gateway.clock.advance_to(TUESDAY_CLOSE)
    gateway.tick()

    assert [str(each.price) for each in gateway.exchange.executions] == [price]


def test_stated_last_trading_days_are_taken_over_the_rules(tmp_path: Path) -> None:
    folder = write_market(tmp_path)
    (folder / "contracts.csv").write_text(
        "root,contract_month,last_trade_date\nCL,202601,2025-12-18\nES,202709,2027-09-16\nES,202712,\n",
        encoding="utf-8",
    )
    directory = Directory(tws_sim.Market.from_folder(folder), date(2025, 12, 1))

    crude, far = directory.by_root("CL", "202601"), directory.by_root("ES", "202709")
    unstated = directory.by_root("ES", "202712")

    assert crude is not None
    assert far is not None
    assert unstated is not None
    assert crude.last_trade_date == date(2025, 12, 18)
    assert far.last_trade_date == date(2027, 9, 16)
    assert unstated.last_trade_date == date(2027, 12, 17)


def test_the_account_says_what_it_lacks() -> None:
    with pytest.raises(tws_sim.MissingRateError, match="no rate from GBP"):
        tws_sim.running(
            market=tws_sim.generated_market(until=date(2025, 12, 1), sessions=2, roots=["ES"]),
            account=tws_sim.AccountSpec(cash={"GBP": Decimal(1), "XXX": Decimal(1)}, base="XXX"),
            clock=tws_sim.FrozenClock(TUESDAY_OPEN - timedelta(days=3)),
        )
    with pytest.raises(ValueError, match="no contract NQ 202512 is listed"):
        tws_sim.running(
            market=tws_sim.generated_market(until=date(2025, 12, 1), sessions=2, roots=["ES"]),
            account=tws_sim.AccountSpec(
                cash={},
                positions=[
                    tws_sim.Holding(
                        root="NQ", contract_month="202512", quantity=1, average_price=Decimal(1)
                    )
                ],
            ),
            clock=tws_sim.FrozenClock(TUESDAY_OPEN),
        )
