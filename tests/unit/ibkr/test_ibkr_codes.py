"""The table of TWS codes, and the page that is written from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterclose.adapters.ibkr.code_entry import CodeKind
from afterclose.adapters.ibkr.code_table import TABLE
from afterclose.adapters.ibkr.codes import as_markdown, explain

_PAGE = Path(__file__).parents[3] / "docs" / "tws-codes.md"


def test_the_page_of_the_docs_is_the_table() -> None:
    assert _PAGE.read_text(encoding="utf-8") == as_markdown(), (
        "write codes.as_markdown() to docs/tws-codes.md"
    )


def test_every_code_stands_once_in_rising_order() -> None:
    codes = [entry.code for entry in TABLE]
    assert codes == sorted(set(codes))


@pytest.mark.parametrize("code", [399, 2109, 10349, 2137, 2161, 2174, 10167, 2104])
def test_notices_and_warnings_end_nothing(code: int) -> None:
    assert explain(code, "whatever").warning


@pytest.mark.parametrize("code", [100, 200, 110, 201, 202, 321, 354, 10089, 10168, 10186, 10197])
def test_refusals_are_no_warnings(code: int) -> None:
    assert not explain(code, "whatever").warning


@pytest.mark.parametrize("code", [103, 104, 110, 201, 202, 10147, 10148])
def test_words_on_orders_say_so_and_never_invite_to_send_again(code: int) -> None:
    said = explain(code, "Order rejected - reason: whatever")
    assert said.kind is CodeKind.ORDER
    assert not said.retryable


def test_no_word_on_an_order_is_ever_retryable() -> None:
    for entry in TABLE:
        if entry.kind is CodeKind.ORDER:
            assert not entry.retryable, entry
            assert not any(case.retryable for case in entry.cases), entry


def test_history_without_bars_is_told_from_a_pacing_violation_and_a_missing_permission() -> None:
    start = "Historical Market Data Service error message:"
    nothing = explain(162, start + "HMDS query returned no data: ESZ5@CME Trades")
    paced = explain(162, start + "API historical data query pacing violation")
    barred = explain(162, start + "No market data permissions for CME FUT")
    assert (nothing.no_data, nothing.retryable) == (True, False)
    assert (paced.no_data, paced.retryable) == (False, True)
    assert (barred.no_data, barred.retryable) == (False, False)
    assert "Market Data Subscriptions" in barred.action


def test_an_ambiguous_contract_is_told_from_an_unknown_one() -> None:
    unknown = explain(200, "No security definition has been found for the request")
    ambiguous = explain(200, "The contract description specified for SI is ambiguous.")
    assert "knows no contract" in unknown.cause
    assert "multiplier" in ambiguous.action


def test_a_read_only_api_says_what_to_untick() -> None:
    said = explain(321, "The API interface is currently in Read-Only mode.")
    assert "untick" in said.action


def test_an_unknown_code_is_an_end_of_a_request_and_says_that_it_is_unknown() -> None:
    said = explain(98765, "something new")
    assert not said.known
    assert not said.warning
    assert said.text == "something new"


def test_every_entry_says_why_and_what_to_do() -> None:
    for entry in TABLE:
        for cause, action in [
            (entry.cause, entry.action),
            *((case.cause, case.action) for case in entry.cases),
        ]:
            assert cause.endswith("."), entry
            assert action.endswith("."), entry


def test_the_texts_to_look_for_are_lower_case_as_the_search_is() -> None:
    for entry in TABLE:
        for case in entry.cases:
            assert case.contains == case.contains.lower()
