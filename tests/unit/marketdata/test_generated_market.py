from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from afterclose.adapters.marketdata.arrange import cut_after
from afterclose.adapters.marketdata.calendars import later_session
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.generated_roots import generated_roots
from afterclose.adapters.marketdata.records import BAR_COLUMNS, ContractBars, MarketData
from afterclose.errors import DataError

FIRST, LAST = date(2025, 6, 2), date(2026, 3, 13)
MIXED = ("CL", "ES", "FDAX", "SI", "ZC")


@pytest.fixture(scope="module")
def market() -> MarketData:
    return generate(MIXED, first=FIRST, last=LAST, seed=7)


def by_symbol(data: MarketData) -> dict[str, ContractBars]:
    return {piece.symbol: piece for piece in data.bars.split()}


def test_a_longer_history_begins_with_the_shorter_one_to_the_last_bit(market: MarketData) -> None:
    longer = generate(MIXED, first=FIRST, last=date(2026, 6, 30), seed=7)
    cut = cut_after(longer, LAST)
    assert cut.contracts == market.contracts
    assert (cut.bars.sessions == market.bars.sessions).all()
    for name in BAR_COLUMNS:
        assert getattr(cut.bars, name).tobytes() == getattr(market.bars, name).tobytes()


def test_a_market_is_the_same_whichever_others_are_generated_and_whenever_it_starts(
    market: MarketData,
) -> None:
    alone = generate(["ZC"], first=date(2025, 9, 1), last=LAST, seed=7)
    together = by_symbol(market)
    for symbol, corn in by_symbol(alone).items():
        same_days = together[symbol].sessions >= np.datetime64("2025-09-01")
        assert together[symbol].close[same_days].tolist() == corn.close.tolist()
        assert together[symbol].volume[same_days].tolist() == corn.volume.tolist()


def test_another_seed_is_another_market(market: MarketData) -> None:
    other = generate(["ES"], first=FIRST, last=LAST, seed=8)
    assert by_symbol(other)["ESZ25"].close.tolist() != by_symbol(market)["ESZ25"].close.tolist()


def test_every_price_is_a_whole_number_of_ticks_and_within_the_day_range(
    market: MarketData,
) -> None:
    tick_of = {record.symbol: record.tick_size for record in market.contracts}
    for symbol, piece in by_symbol(market).items():
        for prices in (piece.open, piece.high, piece.low, piece.close):
            ticks = prices / tick_of[symbol]
            assert np.abs(ticks - np.round(ticks)).max() < 1e-6
        assert (piece.high >= np.maximum(piece.open, piece.close)).all()
        assert (piece.low <= np.minimum(piece.open, piece.close)).all()
        assert (piece.low > 0).all()


def test_a_price_is_the_float_nearest_to_its_decimal_form(market: MarketData) -> None:
    prices = by_symbol(market)["CLK26"].close
    assert prices.tolist() == [float(f"{price:.2f}") for price in prices]


def test_each_market_keeps_its_own_holidays(market: MarketData) -> None:
    # Eurex is closed on 24, 25, 26 and 31 December; CME on 25 December and 1 January.
    december = np.arange("2025-12-22", "2026-01-03", dtype="datetime64[D]")
    dax, spx = by_symbol(market)["FDAXH26"].sessions, by_symbol(market)["ESH26"].sessions
    assert np.isin(december, dax).sum() == 5
    assert np.isin(december, spx).sum() == 8
    assert np.datetime64("2025-12-25") not in spx


@pytest.mark.parametrize(
    ("symbol", "last_trade", "first_notice", "auto_close"),
    [
        # From the exchanges' published expiry calendars for these contracts.
        ("ESZ25", date(2025, 12, 19), None, date(2025, 12, 17)),
        ("CLF26", date(2025, 12, 19), None, date(2025, 12, 17)),
        ("BRNH26", date(2026, 1, 30), None, date(2026, 1, 28)),
        ("NGF26", date(2025, 12, 29), None, date(2025, 12, 24)),
        ("ZCH26", date(2026, 3, 13), date(2026, 2, 27), date(2026, 2, 25)),
        ("GCZ25", date(2025, 12, 29), date(2025, 11, 28), date(2025, 11, 26)),
        ("FGBLH26", date(2026, 3, 6), None, date(2026, 3, 4)),
        ("SBH26", date(2026, 2, 27), None, date(2026, 2, 25)),
        ("HSIZ25", date(2025, 12, 30), None, date(2025, 12, 24)),
        ("ZNZ25", date(2025, 12, 19), date(2025, 11, 28), date(2025, 11, 26)),
    ],
)
def test_contracts_end_when_the_exchange_says(
    symbol: str, last_trade: date, first_notice: date | None, auto_close: date
) -> None:
    data = generate([symbol[:-3]], first=date(2025, 11, 3), last=LAST)
    record = next(record for record in data.contracts if record.symbol == symbol)
    assert record.last_trade == last_trade
    assert record.first_notice == first_notice
    assert record.auto_close == auto_close


def test_volume_moves_to_the_next_month_before_the_contract_must_be_closed(
    market: MarketData,
) -> None:
    bars = by_symbol(market)
    for symbol, following in (("ESZ25", "ESH26"), ("ZCZ25", "ZCH26"), ("CLF26", "CLG26")):
        ends = next(r.auto_close for r in market.contracts if r.symbol == symbol)
        old, new = bars[symbol], bars[following]
        early = np.datetime64(ends) - np.timedelta64(25, "D")
        assert _volume(old, early) > _volume(new, early)
        assert _volume(old, np.datetime64(ends)) < _volume(new, np.datetime64(ends))


def _volume(bars: ContractBars, day: np.datetime64) -> float:
    at = int(bars.sessions.searchsorted(day, side="right"))
    return float(bars.volume[at - 4 : at].sum())


def test_there_is_a_rate_for_every_foreign_currency(market: MarketData) -> None:
    assert sorted(market.fx) == ["EUR"]
    assert len(market.fx["EUR"]) == np.busday_count(FIRST, LAST) + 1


def test_markets_trend_enough_for_a_trend_follower_and_stall_enough_for_losses() -> None:
    roots = ("CL", "ES", "GC", "SB", "ZN", "ZW", "HSI", "FDAX")
    data = generate(roots, first=date(2016, 1, 4), last=date(2025, 12, 31))
    ups = downs = 0
    for piece in data.bars.split():
        if len(piece) < 180 or not piece.symbol.endswith(("Z18", "Z20", "Z22", "Z24", "Z25")):
            continue
        change = piece.close[-1] / piece.close[-180] - 1.0
        ups, downs = ups + (change > 0.05), downs + (change < -0.05)
    assert ups >= 8
    assert downs >= 8


def test_the_table_holds_the_models_whole_universe() -> None:
    universe = """
        BTC DX ETH CC CT DC GF HE KC LBR LE LSU OJ RS SB ZC ZL ZM ZO ZR ZS ZW CGB FBTP FGBL FGBM
        FGBS FGBX FOAT LLG SJB TN UB YXT YYT ZB ZF ZN ZT EMD ES FCE FDAX FESX FSMI FTDX HSI HTW KOS
        LFT NKD NQ RTY SCN SSG SXF YAP YM BRN CL GAS GWM HO NG RB WBS GC HG PA PL SI
    """
    assert [root.root for root in generated_roots()] == sorted(universe.split())
    silver = generated_roots(["SI"])[0]
    assert (silver.point_value, silver.tick_size) == (50.0, 0.5)  # cents per ounce


def test_what_cannot_be_generated_is_refused() -> None:
    with pytest.raises(DataError, match="QQ"):
        generate(["ES", "QQ"], first=FIRST, last=LAST)
    with pytest.raises(DataError, match="2000-01-03"):
        generate(["ES"], first=date(1999, 12, 1), last=LAST)


def test_the_session_after_a_friday_before_a_holiday() -> None:
    # Good Friday 2026 is 3 April; Easter Monday is a session in Chicago and not in Frankfurt.
    assert later_session("CMES", date(2026, 4, 2), 1) == date(2026, 4, 6)
    assert later_session("XEUR", date(2026, 4, 2), 1) == date(2026, 4, 7)
    assert later_session("CMES", date(2026, 4, 2), 2) == date(2026, 4, 7)
