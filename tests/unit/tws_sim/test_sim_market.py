from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.contracts import CashPair, Listing, cash_pairs, products
from afterclose.tws_sim.directory import ContractQuery, Directory
from afterclose.tws_sim.hours import describe, session_at
from afterclose.tws_sim.messages import time_zone_of
from afterclose.tws_sim.prices import Prices
from unit.tws_sim.sim_market import (
    MONDAY_EVENING,
    TUESDAY_CLOSE,
    TUESDAY_OPEN,
    write_market,
)

TODAY = date(2025, 12, 1)


@pytest.fixture
def market(tmp_path: Path) -> tws_sim.Market:
    return tws_sim.Market.from_folder(write_market(tmp_path / "market"))


@pytest.fixture
def directory(market: tws_sim.Market) -> Directory:
    return Directory(market, TODAY)


def listing(directory: Directory, root: str, month: str) -> Listing:
    found = directory.by_root(root, month)
    assert found is not None
    return found


def prices(market: tws_sim.Market, toml: str = "") -> Prices:
    scenario = tws_sim.Scenario.from_toml(toml)
    return Prices(market, lambda: scenario)


@pytest.mark.parametrize(
    ("root", "month", "vendor_close", "ib_close"),
    [
        ("HG", "202603", "529.10", "5.2910"),
        ("SI", "202603", "5810.5", "58.105"),
        ("ZR", "202601", "1012.5", "10.125"),
        ("6J", "202512", "0.64300", "0.0064300"),
        ("GWM", "202601", "72.85", "0.7285"),
        ("ZC", "202603", "448.00", "448.00"),
        ("LFT", "202512", "9702.5", "9702.5"),
    ],
)
def test_closes_are_served_in_the_brokers_unit(
    market: tws_sim.Market,
    directory: Directory,
    root: str,
    month: str,
    vendor_close: str,
    ib_close: str,
) -> None:
    item = listing(directory, root, month)
    vendor = market.history(item).last(TODAY)
    served = prices(market).last_bar(item, TODAY)
    assert vendor is not None
    assert served is not None

    assert vendor.close == Decimal(vendor_close)
    assert served.close == Decimal(ib_close)


def test_the_point_value_is_the_multiplier_over_the_magnifier(directory: Directory) -> None:
    assert listing(directory, "ZC", "202603").point_value == 50
    assert listing(directory, "LFT", "202512").point_value == 10
    assert listing(directory, "6J", "202512").point_value == 12_500_000


def test_the_path_runs_from_the_open_over_low_and_high_to_the_close(
    market: tws_sim.Market, directory: Directory
) -> None:
    item = listing(directory, "ES", "202512")
    source = prices(market)
    third = (TUESDAY_CLOSE - TUESDAY_OPEN) / 3

    quotes = [source.quote(item, TUESDAY_OPEN + third * step) for step in (0, 1, 2, 3)]

    assert [quote.last for quote in quotes if quote] == [6812, 6800, 6842, 6830]


def test_the_forming_bar_holds_what_has_happened_so_far(
    market: tws_sim.Market, directory: Directory
) -> None:
    item = listing(directory, "ES", "202512")
    third = (TUESDAY_CLOSE - TUESDAY_OPEN) / 3

    forming = prices(market).forming(item, TUESDAY_OPEN + third)

    assert forming is not None
    shown = [forming.open, forming.high, forming.low, forming.close]
    assert [str(price) for price in shown] == ["6812.00", "6812.00", "6800.00", "6800.00"]
    assert forming.session == date(2025, 12, 2)
    assert 33_000 <= forming.volume <= 33_334


def test_a_session_without_a_bar_stands_at_the_last_close(
    market: tws_sim.Market, directory: Directory
) -> None:
    item = listing(directory, "ZN", "202603")

    quote = prices(market).quote(item, TUESDAY_OPEN + timedelta(hours=2))

    assert quote is not None
    assert quote.last == Decimal("113.015625")
    assert quote.ask - quote.bid in {Decimal("0.015625"), Decimal("0.031250")}


@pytest.mark.parametrize(
    ("shift", "expected"), [("10%", "7493.25"), ("-8 ticks", "6810"), ("-100%", "0")]
)
def test_a_price_shift_moves_quotes_and_the_forming_bar_but_no_finished_bar(
    market: tws_sim.Market, directory: Directory, shift: str, expected: str
) -> None:
    item = listing(directory, "ES", "202512")
    shifted = prices(market, f'[data]\nprice_shift = {{ ES = "{shift}" }}')

    quote = shifted.quote(item, TUESDAY_OPEN)
    finished = shifted.last_bar(item, TODAY)

    assert quote is not None
    assert quote.last == Decimal(expected)
    assert finished is not None
    assert finished.close == 6810


def test_a_symbol_shared_by_two_sizes_is_ambiguous_until_the_multiplier_is_stated(
    directory: Directory,
) -> None:
    query = ContractQuery(
        symbol="DAX",
        sec_type="FUT",
        exchange="EUREX",
        last_trade_date_or_contract_month="202512",
    )
    stated = ContractQuery(
        symbol="DAX",
        sec_type="FUT",
        exchange="EUREX",
        last_trade_date_or_contract_month="202512",
        multiplier="25",
    )

    assert len(directory.find(query, TODAY)) == 3
    assert [item.local_symbol for item in directory.find(stated, TODAY)] == ["FDAXZ5"]


def test_six_digits_mean_the_contract_month_and_eight_the_last_trading_day(
    directory: Directory,
) -> None:
    def found(stated: str) -> list[str]:
        query = ContractQuery(
            symbol="CL",
            sec_type="FUT",
            exchange="NYMEX",
            last_trade_date_or_contract_month=stated,
        )
        return [item.local_symbol for item in directory.find(query, TODAY)]

    assert found("202601") == ["CLF6"]
    assert found("20251219") == ["CLF6"]
    assert found("20260120") == ["CLG6"]


def test_an_expired_contract_is_found_only_when_asked_for(market: tws_sim.Market) -> None:
    directory = Directory(market, date(2025, 12, 22))
    query = ContractQuery(
        symbol="ES", sec_type="FUT", exchange="CME", last_trade_date_or_contract_month="202512"
    )
    expired = ContractQuery(
        symbol="ES",
        sec_type="FUT",
        exchange="CME",
        last_trade_date_or_contract_month="202512",
        include_expired=True,
    )

    assert directory.find(query, date(2025, 12, 22)) == ()
    assert len(directory.find(expired, date(2025, 12, 22))) == 1


def test_weeklies_stand_beside_the_monthly_contract(directory: Directory) -> None:
    query = ContractQuery(
        symbol="VIX",
        sec_type="FUT",
        exchange="CFE",
        last_trade_date_or_contract_month="202512",
    )

    classes = {
        item.product.trading_class
        for item in directory.find(query, TODAY)
        if isinstance(item, Listing)
    }

    assert {"VX", "VXM"} < classes
    assert len(classes) > 2


def test_a_pair_is_listed_in_one_direction_and_priced_in_it(market: tws_sim.Market) -> None:
    dollar_yen = next(pair for pair in cash_pairs() if pair.quote == "JPY")
    bar = prices(market).last_bar(dollar_yen, TODAY)

    assert isinstance(dollar_yen, CashPair)
    assert bar is not None
    assert bar.close == Decimal("155.52099533")


@pytest.mark.parametrize(
    ("at", "session", "opens"),
    [
        (MONDAY_EVENING, date(2025, 12, 2), TUESDAY_OPEN),
        # A Friday evening waits for Sunday.
        (
            datetime(2025, 12, 5, 23, 0, tzinfo=UTC),
            date(2025, 12, 8),
            datetime(2025, 12, 7, 23, 0, tzinfo=UTC),
        ),
        # Summer time: the same hour in Chicago is an hour earlier in UTC.
        (
            datetime(2025, 7, 1, 21, 30, tzinfo=UTC),
            date(2025, 7, 2),
            datetime(2025, 7, 1, 22, 0, tzinfo=UTC),
        ),
    ],
)
def test_globex_opens_at_five_in_chicago_the_evening_before(
    directory: Directory, at: datetime, session: date, opens: datetime
) -> None:
    found = session_at(listing(directory, "ES", "202512").hours, at)

    assert (found.session, found.opens) == (session, opens)


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ("root,close\n", "columns missing"),
        (
            "root,contract_month,session,open,high,low,close,volume\nES,202513,2025-12-01,,,,1,0\n",
            "line 2: expected yyyymm",
        ),
        (
            "root,contract_month,session,open,high,low,close,volume\nES,202512,2025-12-01,,,,x,0\n",
            "line 2: expected a number",
        ),
        (
            "root,contract_month,session,open,high,low,close,volume\nES,202512,1 Dec,,,,1,0\n",
            "line 2: expected yyyy-mm-dd",
        ),
        (
            "root,contract_month,session,open,high,low,close,volume\nES,202512,2025-12-01,,,,,0\n",
            "line 2: close is empty",
        ),
    ],
)
def test_a_bad_market_file_is_refused_with_its_line(tmp_path: Path, bars: str, said: str) -> None:
    folder = write_market(tmp_path, bars=bars)

    with pytest.raises(tws_sim.MarketFileError, match=said):
        tws_sim.Market.from_folder(folder)


def test_a_negative_price_is_a_price_like_any_other(tmp_path: Path) -> None:
    bars = (
        "root,contract_month,session,open,high,low,close,volume\n"
        "CL,202601,2025-12-01,1.00,2.00,-40.32,-37.63,1000\n"
    )
    market = tws_sim.Market.from_folder(write_market(tmp_path, bars=bars))
    item = listing(Directory(market, TODAY), "CL", "202601")

    quote = prices(market).quote(item, MONDAY_EVENING)

    assert quote is not None
    assert (quote.last, quote.low) == (Decimal("-37.63"), Decimal("-40.32"))
    assert quote.bid <= Decimal("-37.63") < quote.ask


@pytest.mark.parametrize(
    ("root", "month", "zone", "hours"),
    [
        ("ES", "202512", "US/Central", "20251130:1700-20251201:1600"),
        # The same session, in the zone the contract's details name.
        ("CL", "202601", "US/Eastern", "20251130:1800-20251201:1700"),
        ("FESX", "202512", "MET", "20251201:0110-20251201:2200"),
        ("LFT", "202512", "GB-Eire", "20251201:0100-20251201:2100"),
    ],
)
def test_hours_are_told_in_the_zone_of_the_details(
    directory: Directory, root: str, month: str, zone: str, hours: str
) -> None:
    item = listing(directory, root, month)

    told = describe(item.hours, TODAY, days=7, zone=time_zone_of(item), liquid=False)

    assert time_zone_of(item) == zone
    assert told.split(";")[0] == hours
    assert told.split(";")[5:] == ["20251206:CLOSED", "20251207:CLOSED"]


def test_every_zone_the_facts_name_exists() -> None:
    for each in products():
        assert ZoneInfo(each.time_zone).key == each.time_zone
        assert ZoneInfo(each.hours.zone).key == each.hours.zone
