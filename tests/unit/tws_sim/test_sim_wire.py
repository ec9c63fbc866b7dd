from __future__ import annotations

from decimal import Decimal

import pytest

from afterclose.tws_sim.wire import (
    LARGEST_FRAME,
    FieldReader,
    Framer,
    StreamLostError,
    WireError,
    escaped,
    frame,
    plain,
    split_fields,
)


def test_a_frame_is_a_length_and_fields_each_ended_by_nul() -> None:
    yes = True
    encoded = frame(9, "ES", yes, Decimal("0.0067005"), None)

    assert encoded == b"\x00\x00\x00\x12" + b"9\0ES\x001\x000.0067005\0\0"


def test_frames_are_found_however_the_stream_is_chopped() -> None:
    stream = frame(1, "a") + frame(2) + frame(3, "b" * 300)
    whole = list(Framer().feed(stream))

    for step in (1, 2, 3, 7, 100):
        framer = Framer()
        bodies = [
            body
            for place in range(0, len(stream), step)
            for body in framer.feed(stream[place : place + step])
        ]
        assert bodies == whole


def test_an_announced_length_no_client_would_send_loses_the_stream() -> None:
    with pytest.raises(StreamLostError):
        list(Framer().feed((LARGEST_FRAME + 1).to_bytes(4, "big")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0067005", "0.0067005"),
        ("1E-7", "0.0000001"),
        ("1E+3", "1000"),
        ("10.500", "10.5"),
        ("-37.63", "-37.63"),
        ("-0.00", "0"),
        ("100", "100"),
    ],
)
def test_numbers_travel_without_exponent(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize("body", [b"9", b"\xff\0", b""])
def test_a_body_that_breaks_the_form_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        split_fields(body)


@pytest.mark.parametrize(
    "text",
    ["", "1.7976931348623157E308", "1.7976931348623157e+308", "9223372036854775807"],
)
def test_every_way_of_not_setting_a_price_is_understood(text: str) -> None:
    assert FieldReader([text]).number() is None


@pytest.mark.parametrize("text", ["nan", "Infinity", "-inf", "1,5", "0x10", "abc"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        FieldReader([text]).number()


@pytest.mark.parametrize("count", ["-1", "3", "999999999999"])
def test_a_count_that_does_not_fit_the_message_is_refused(count: str) -> None:
    with pytest.raises(WireError):
        FieldReader([count, "a", "b"]).count()


def test_free_text_survives_clients_that_decode_it_as_unicode_escape() -> None:
    sent = escaped("Müller \\n ⏎")

    assert sent.isascii()
    assert sent.encode().decode("unicode-escape") == "Müller \\n ⏎"
