from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.session import Stage
from unit.tws_sim.conftest import MakeGateway
from unit.tws_sim.sim_session import CRUDE, Meter, Wire, errors_of, order_message


def test_the_handshake_is_one_frame_and_nothing_follows_until_the_session_starts(
    make_gateway: MakeGateway,
) -> None:
    wire = Wire(make_gateway())

    answers = wire.greet("v100..226")

    assert answers == [["178", "20251201 18:00:00 US/Eastern"]]
    assert wire.take() == []


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [("v100..157", "157"), ("v157..178", "178"), ("v100..226 +PACEAPI", "178")],
)
def test_the_version_is_the_clients_highest_but_never_above_178(
    make_gateway: MakeGateway, offered: str, spoken: str
) -> None:
    assert Wire(make_gateway()).greet(offered)[0][0] == spoken


@pytest.mark.parametrize("offered", ["v100..151", "v179..226", "hello", ""])
def test_a_client_without_a_common_version_is_hung_up_on(
    make_gateway: MakeGateway, offered: str
) -> None:
    wire = Wire(make_gateway())

    assert wire.greet(offered) == []
    assert wire.session.is_closed


def test_a_stream_that_does_not_greet_is_hung_up_on(make_gateway: MakeGateway) -> None:
    wire = Wire(make_gateway())
    wire.receive(b"GET / HTTP/1.1\r\n\r\n")

    assert wire.session.is_closed


def test_the_greeting_may_arrive_byte_by_byte(make_gateway: MakeGateway) -> None:
    wire = Wire(make_gateway())
    stream = b"API\0\x00\x00\x00\x09v100..178"

    answers = [each for byte in stream for each in wire.receive(bytes([byte]))]

    assert [each[0] for each in answers] == ["178"]


def test_a_taken_client_id_waits_and_starts_when_it_becomes_free(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway()
    first, second = Wire(gateway), Wire(gateway)
    first.start(7)

    waiting = second.start(7)
    second.send(49, 1)
    first.session.disconnected()
    second.session.try_again()
    answers = second.take()

    assert waiting == []
    assert second.session.stage is Stage.READY
    assert [each[0] for each in answers][:2] == ["15", "9"]
    # What was sent while waiting is answered too.
    assert answers[-1][0] == "49"


def test_a_client_id_that_stays_taken_answers_326_and_hangs_up(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    Wire(gateway).start(7)
    second = Wire(gateway)
    second.start(7)

    second.session.give_up()

    assert [code for _, code, _ in errors_of(second.take())] == [326]
    assert second.session.is_closed


def test_an_unknown_message_and_a_broken_one_are_answered_and_the_session_goes_on(
    make_gateway: MakeGateway,
) -> None:
    wire = Wire(make_gateway())
    wire.start()

    unknown = errors_of(wire.send(9999, 1))
    broken = errors_of(wire.send(9, 8, 4711, "not a number"))
    short = errors_of(wire.send(3, 5, "x"))

    assert [code for _, code, _ in unknown] == [505]
    assert [(number, code) for number, code, _ in broken] == [(4711, 320)]
    assert [(number, code) for number, code, _ in short] == [(5, 320)]
    assert wire.send(49, 1)[0][0] == "49"


def test_the_message_rate_is_measured_and_the_third_violation_hangs_up(
    make_gateway: MakeGateway,
) -> None:
    meter = Meter()
    wire = Wire(make_gateway(), meter=meter)
    wire.start()
    codes = []

    for _ in range(3):
        for _ in range(51):
            codes += [code for _, code, _ in errors_of(wire.send(8, 1, 1))]

    assert codes == [100, 100, 100]
    assert wire.session.is_closed


def test_fifty_messages_in_every_second_are_fine(make_gateway: MakeGateway) -> None:
    meter = Meter()
    wire = Wire(make_gateway(), meter=meter)
    wire.start()

    for _ in range(4):
        for _ in range(50):
            assert errors_of(wire.send(8, 1, 1)) == []
        meter.seconds += 1.0

    assert not wire.session.is_closed


def test_a_client_that_asked_for_pacing_is_never_over_the_rate(make_gateway: MakeGateway) -> None:
    wire = Wire(make_gateway())
    wire.start(versions="v100..178 +PACEAPI")

    assert [errors_of(wire.send(8, 1, 1)) for _ in range(200)] == [[]] * 200


def test_slow_answers_carry_their_delay(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(scenario="[connection]\nslow_answers_s = 2.5")
    wire = Wire(gateway)
    wire.start()

    wire.session.receive(b"\x00\x00\x00\x05" + b"49\x001\0")
    wire.session.receive(b"")
    outgoing = wire.session.take()

    assert [each.delay_s for each in outgoing] == []
    wire.session.send(b"x")
    assert [each.delay_s for each in wire.session.take()] == [2.5]


def test_a_skewed_clock_is_told_and_changes_nothing_else(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(scenario="[connection]\nclock_skew_s = 90")
    wire = Wire(gateway)
    wire.start()

    # 2025-12-01 23:00:00 UTC, and a minute and a half.
    assert wire.send(49, 1) == [["49", "1", "1764630090"]]
    assert gateway.now.timestamp() == 1764630000


def test_an_order_without_exchange_is_refused_as_unvalidated(make_gateway: MakeGateway) -> None:
    wire = Wire(make_gateway())
    wire.start()
    nowhere = (*CRUDE[:7], "", *CRUDE[8:])

    found = errors_of(wire.receive(order_message(1, limit="59", contract=nowhere)))

    assert [code for _, code, _ in found] == [321]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"limit": "1E+250"}, 320),
        ({"quantity": "1E+250", "limit": "59"}, 320),
        ({"quantity": "-1", "limit": "59"}, 434),
        ({"quantity": "0.5", "limit": "59"}, 321),
        ({"limit": ""}, 463),
        ({"kind": "STP", "aux": ""}, 463),
        ({"limit": "59", "tif": "MAYBE"}, 111),
        ({"limit": "59", "tif": "GTD"}, 117),
        ({"limit": "59", "tif": "GTD", "good_till": "tomorrow"}, 320),
        ({"limit": "59", "action": "HOLD"}, 321),
        ({"limit": "59", "oca": "group"}, 321),
        ({"limit": "59", "parent": "3"}, 321),
    ],
)
def test_orders_that_make_no_sense_are_refused_and_none_is_kept(
    make_gateway: MakeGateway, order: dict[str, Any], code: int
) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()

    found = errors_of(wire.receive(order_message(1, **order)))

    assert [each for _, each, _ in found] == [code]
    assert gateway.exchange.orders == {}


def test_ambiguity_by_scenario_shows_in_details_and_is_resolved_by_the_id_alone(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(scenario='[contracts]\nambiguous = ["CL"]')
    wire = Wire(gateway)
    wire.start()

    answers = wire.send(9, 8, 1, *CRUDE, 0, "", "", "")
    by_id = wire.send(9, 8, 2, answers[0][12], *[""] * 11, 0, "", "", "")

    assert [each[0] for each in answers] == ["10", "10", "52"]
    assert [each[0] for each in by_id] == ["10", "52"]


def test_switching_the_scenario_tells_connected_clients_of_lost_connectivity(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()

    for text, code in (
        ("lost", 1100),
        ("restored, data lost", 1101),
        ("lost", 1100),
        ("restored, data kept", 1102),
    ):
        gateway.switch(tws_sim.Scenario.from_toml(f'[connection]\nconnectivity = "{text}"'))
        assert [each for _, each, _ in errors_of(wire.take())] == [code]


def test_the_account_keeps_its_sum_when_money_is_exchanged(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    wire = Wire(gateway)
    wire.start()
    before = gateway.value.totals().net_liquidation
    euro = ("", "EUR", "CASH", "", "", "", "", "IDEALPRO", "", "USD", "", "")

    wire.receive(order_message(1, action="SELL", quantity="20000", kind="MKT", contract=euro))

    assert gateway.account.cash["EUR"] == 30_000
    # Sold at the bid of 1.1611, for a commission of two dollars.
    assert gateway.account.cash["USD"] == Decimal(1023220)
    assert before - gateway.value.totals().net_liquidation == 2


def test_a_ticker_id_is_used_once_and_a_hundred_lines_are_the_most(
    make_gateway: MakeGateway,
) -> None:
    wire = Wire(make_gateway(scenario="[connection]\nmessages_per_second = 0"))
    wire.start()
    for number in range(100):
        assert errors_of(wire.send(1, 11, number, *CRUDE, 0, "", 0, 0, "")) == []

    again = errors_of(wire.send(1, 11, 5, *CRUDE, 0, "", 0, 0, ""))
    more = errors_of(wire.send(1, 11, 100, *CRUDE, 0, "", 0, 0, ""))

    assert [code for _, code, _ in again] == [322]
    assert [code for _, code, _ in more] == [101]


def test_history_asked_too_fast_says_so(make_gateway: MakeGateway) -> None:
    wire = Wire(make_gateway(scenario='[data]\npacing = ["CL"]'))
    wire.start()

    asked = wire.send(20, 5, *CRUDE, 0, "", "1 day", "21 D", 0, "TRADES", 1, 0, "")

    assert [(code, "pacing violation" in text) for _, code, text in errors_of(asked)] == [
        (162, True)
    ]
