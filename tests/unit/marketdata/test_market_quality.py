from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from afterclose.adapters.marketdata.absence import Absence, why_missing
from afterclose.adapters.marketdata.calendars import market_sessions
from afterclose.adapters.marketdata.comparing import disagreements
from afterclose.adapters.marketdata.quality import check_bars
from afterclose.adapters.marketdata.records import ContractBars
from afterclose.domain.findings import Finding, Severity
from unit.marketdata.market_examples import JUNE, bars, contract

RECORD = contract(JUNE, month="202006")
DAYS = [str(day) for day in market_sessions("CMES", date(2020, 1, 2), date(2020, 3, 13)).days]


def calm(**changed: float) -> ContractBars:
    """Ten weeks about 3,000, four points up and down; ``d2020_03_02=…`` changes one close."""
    closes = {day: 3000.0 + 4.0 * (at % 2) for at, day in enumerate(DAYS)}
    for name, close in changed.items():
        closes[name[1:].replace("_", "-")] = close
    return bars(JUNE, closes)


def with_column(piece: ContractBars, name: str, day: str, value: float) -> ContractBars:
    columns = {
        field: getattr(piece, field).copy()
        for field in ("open", "high", "low", "close", "volume", "open_interest")
    }
    columns[name][piece.sessions == np.datetime64(day)] = value
    return ContractBars(symbol=piece.symbol, sessions=piece.sessions, **columns)


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_calm_contract_has_no_findings() -> None:
    assert check_bars(RECORD, calm()) == []


def test_a_price_below_zero_is_noted_and_is_also_a_big_move() -> None:
    found = check_bars(RECORD, calm(d2020_03_12=-37.75))
    assert codes(found) == ["AC120", "AC124"]
    assert found[0].severity is Severity.INFO
    assert found[0].evidence["close"] == -37.75
    assert found[0].evidence["close_before"] == 3004.0


def test_a_price_of_zero_is_a_warning_and_not_called_a_move_as_well() -> None:
    found = check_bars(RECORD, with_column(calm(d2020_03_13=0.5), "low", "2020-03-13", 0.0))
    assert "AC121" in codes(found)
    assert "AC124" not in codes(found)


def test_a_price_off_the_tick_is_noted_with_its_session() -> None:
    close = float(calm().close[DAYS.index("2020-02-04")])
    found = check_bars(RECORD, with_column(calm(), "open", "2020-02-04", close + 0.1))
    assert codes(found) == ["AC122"]
    assert "2020-02-04" in found[0].message


@pytest.mark.parametrize("close", [300.0, 30.0, 30000.0, 300000.0, 3.0])
def test_a_slip_of_the_unit_is_called_so_and_not_a_move(close: float) -> None:
    assert codes(check_bars(RECORD, calm(d2020_03_13=close))) == ["AC123"]


def test_eight_average_moves_are_not_yet_too_many_but_more_are() -> None:
    assert calm().close[-2] == 3000.0
    at_eight, beyond = 3000.0 + 8 * 4.0, 3000.0 + 8 * 4.0 + 0.25
    assert codes(check_bars(RECORD, calm(d2020_03_13=at_eight))) == []
    assert codes(check_bars(RECORD, calm(d2020_03_13=beyond))) == ["AC124"]


def test_one_price_with_volume_after_a_move_is_a_locked_day() -> None:
    piece = calm(d2020_03_13=2990.0)
    for name in ("open", "high", "low"):
        piece = with_column(piece, name, "2020-03-13", 2990.0)
    assert codes(check_bars(RECORD, piece)) == ["AC125"]
    untraded = with_column(piece, "volume", "2020-03-13", 0.0)
    assert "AC125" not in codes(check_bars(RECORD, untraded))


def test_a_bar_on_good_friday_and_a_missing_session_are_noted() -> None:
    april = {"2020-04-08": 2750.0, "2020-04-10": 2751.0, "2020-04-14": 2752.0}
    found = {finding.code: finding for finding in check_bars(RECORD, bars(JUNE, april))}
    assert sorted(found) == ["AC126", "AC127"]
    assert "2020-04-10" in found["AC126"].message
    assert "2020-04-09, 2020-04-13" in found["AC127"].message
    assert found["AC127"].evidence["sessions"] == 2


def test_no_volume_matters_among_sessions_that_traded_only() -> None:
    piece = calm()
    quiet = with_column(with_column(piece, "volume", DAYS[0], 0.0), "volume", DAYS[-1], 0.0)
    assert check_bars(RECORD, quiet) == []
    assert codes(check_bars(RECORD, with_column(piece, "volume", DAYS[9], 0.0))) == ["AC128"]


def test_a_contract_that_never_traded_is_noted() -> None:
    assert codes(check_bars(RECORD, bars(JUNE, {DAYS[0]: 3000.0}, volume=0.0))) == ["AC129"]
    assert codes(check_bars(RECORD, bars(JUNE, {DAYS[0]: 3000.0}, volume=np.nan))) == ["AC129"]
    assert codes(check_bars(RECORD, bars(JUNE, {}))) == ["AC129"]


def test_a_high_below_the_close_is_a_contradiction() -> None:
    found = check_bars(RECORD, with_column(calm(), "high", "2020-02-04", 2990.0))
    assert codes(found) == ["AC130"]
    assert found[0].severity is Severity.WARN


def test_only_recent_sessions_are_reported_when_asked() -> None:
    piece = calm(d2020_02_04=-1.0)
    assert check_bars(RECORD, piece, since=date(2020, 3, 10)) == []
    assert "AC120" in codes(check_bars(RECORD, piece, since=date(2020, 2, 4)))


def test_two_sources_two_ticks_apart_agree_and_further_apart_do_not() -> None:
    # Crude oil, June 2020: last trade 13.01 on 2020-04-21, settlement 11.57.
    record = replace(contract("CLM20", month="202006", tick_size=0.01), tick_size=0.01)
    last = bars("CLM20", {"2020-04-20": 20.43, "2020-04-21": 13.01})
    settled = bars("CLM20", {"2020-04-20": 20.41, "2020-04-21": 11.57, "2020-04-22": 13.78})
    (found,) = disagreements(record, last, settled, names=("last trades", "settlements"))
    assert found.code == "AC131"
    assert found.message == "last trades closes at 13.01 on 2020-04-21, settlements at 11.57"
    assert found.evidence["sessions"] == 1
    near = bars("CLM20", {"2020-04-20": 20.43, "2020-04-21": 13.03})
    assert disagreements(record, last, near, names=("a", "b")) == []


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (date(2020, 4, 8), Absence.PRESENT),
        (date(2020, 4, 10), Absence.WEEKEND_OR_HOLIDAY),
        (date(2020, 4, 11), Absence.WEEKEND_OR_HOLIDAY),
        (date(2020, 4, 9), Absence.HOLE),
        (date(2020, 4, 7), Absence.NOT_LISTED_YET),
        (date(2020, 4, 15), Absence.NOT_YET_PUBLISHED),
        (date(2020, 6, 22), Absence.EXPIRED),
    ],
)
def test_a_missing_bar_has_a_reason(day: date, reason: Absence) -> None:
    piece = bars(JUNE, {"2020-04-08": 2750.0, "2020-04-13": 2760.0, "2020-04-14": 2752.0})
    assert why_missing(RECORD, piece, day) is reason
