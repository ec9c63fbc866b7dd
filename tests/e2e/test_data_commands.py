"""Market data from the command line: update, look, check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from afterclose import tws_sim
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.verify import verify_store
from e2e.conftest import afterclose
from e2e.test_bad_input import assert_told
from unit.marketdata.market_examples import bars, contract, market

pytestmark = pytest.mark.slow

YEAR_BEFORE, EVENING = date(2025, 10, 22), date(2026, 10, 22)
SETTINGS = """\
[data]
store = "market"
source = "generated"
roots = ["ES", "ZR"]
seed = 1
"""


def test_a_store_is_filled_then_followed_session_by_session(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    first = afterclose("update", "--session", "2026-10-22", home=tmp_path)
    next_day = afterclose("update", "--session", "2026-10-23", home=tmp_path)
    again = afterclose("update", "--session", "2026-10-23", home=tmp_path)
    root = afterclose("data", "show", "es", home=tmp_path)
    contract = afterclose("data", "show", "ESZ26", home=tmp_path)
    unknown = afterclose("data", "show", "XX", home=tmp_path)
    checked = afterclose("data", "check", home=tmp_path)

    assert_told(first, 0, "ESH00", "2026-10-22", "0 revised values")
    assert_told(next_day, 0, "2026-10-23")
    assert_told(again, 0, "0 new bars", "0 revised values")
    assert_told(root, 0, "Most volume", "ESZ26")
    assert_told(contract, 0, "tick 0.25", "2026-10-23", "fingerprint")
    assert_told(unknown, 2, "neither a market nor a contract 'XX'", "ES ZR")
    assert_told(checked, 0, "to look at since 2026-10-13")


def test_an_update_without_a_source_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text("[data]\nstore = 'market'\n", encoding="utf-8")

    assert_told(afterclose("update", home=tmp_path), 2, "data.source", "norgate")


def test_a_wait_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    assert_told(afterclose("update", "--wait", "soon", home=tmp_path), 2, "'soon'", "3h")


def test_a_market_is_drawn_as_a_picture_and_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with MarketStoreWriter(tmp_path / "market") as writer:
        writer.write_all(generate(("ES",), first=YEAR_BEFORE, last=EVENING), source="made")
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    drawn = afterclose("data", "show", "ES", "--plot", "out/es.svg", home=tmp_path)
    page = afterclose("data", "show", "ESZ26", "--plot", "esz.html", home=tmp_path)
    refused = afterclose("data", "show", "ES", "--plot", "es.png", home=tmp_path)

    assert_told(drawn, 0, "drawn in out")
    picture = ET.parse(tmp_path / "out" / "es.svg")  # noqa: S314 - our own file
    words = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"→ ESZ26", "ESZ26", "ESU26", "a bar is missing", "first notice"} <= set(words)
    assert_told(page, 0, "drawn in esz.html")
    assert "<!doctype html>" in (tmp_path / "esz.html").read_text(encoding="utf-8")
    assert_told(refused, 2, "neither a drawing nor a page", ".svg")


def test_a_second_source_is_compared_and_the_day_of_the_settlement_found(tmp_path: Path) -> None:
    # Crude oil, June 2020: on 2020-04-21 it last traded at 13.01 and settled at 11.57.
    store_of(tmp_path / "market", {"2020-04-20": 21.07, "2020-04-21": 13.01, "2020-04-22": 13.92})
    store_of(tmp_path / "other", {"2020-04-20": 20.43, "2020-04-21": 11.57, "2020-04-22": 13.93})
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")

    apart = afterclose("data", "compare", "other", home=tmp_path)
    wider = afterclose("data", "compare", "other", "--ticks", "200", home=tmp_path)
    unknown = afterclose("data", "compare", "other", "--root", "ES", home=tmp_path)

    assert_told(apart, 1, "AC131", "13.01 on 2020-04-21", "11.57", "3 closes of 1 contracts")
    assert_told(wider, 0, "0 contracts disagree")
    assert_told(unknown, 2, "no ES")


def store_of(path: Path, closes: dict[str, float]) -> None:
    june = contract("CLM20", month="202006", tick_size=0.01)
    with MarketStoreWriter(path) as writer:
        writer.write_all(market([june], [bars("CLM20", closes)]), source=f"made, {path.name}")


def test_a_store_is_proved_against_its_source_and_a_bar_that_is_wrong_is_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "afterclose.toml").write_text(
        SETTINGS.replace('"ES", "ZR"', '"ZR"'), encoding="utf-8"
    )
    assert_told(afterclose("update", "--session", "2026-10-22", home=tmp_path), 0)
    proved = afterclose("data", "verify", "--source", home=tmp_path)
    assert_told(proved, 0, "every file and every sum", "bit for bit", ": 0 differences")

    with MarketStoreWriter(tmp_path / "market") as writer:
        (rice,) = (r.symbol for r in MarketStore.open(tmp_path / "market").contracts("ZR")[-1:])
        bars_now = MarketStore.open(tmp_path / "market").bars(rice)
        wrong = replace(bars_now, close=np.nextafter(bars_now.close, np.inf))
        writer.revise(rice, wrong, recorded_at=datetime(2026, 10, 22, 23, tzinfo=UTC))
    changed = afterclose("data", "verify", "--source", home=tmp_path)
    assert_told(changed, 1, f"{rice}: close differ", ": 1 differences")

    (file, *_) = sorted((tmp_path / "market").glob("bars-*.arrow"))
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    assert_told(afterclose("data", "verify", home=tmp_path), 1, "not the file that was written")


def test_a_bundle_goes_out_and_comes_back_in_with_its_losses_told(tmp_path: Path) -> None:
    with MarketStoreWriter(tmp_path / "market") as writer:
        writer.write_all(generate(("ZT",), first=YEAR_BEFORE, last=EVENING), source="made")
    (tmp_path / "afterclose.toml").write_text(SETTINGS, encoding="utf-8")
    out = afterclose("data", "export-bundle", "--to", "zipline", "--name", "mine", home=tmp_path)
    assert_told(out, 0, "AC134", "0.13 ticks", "mine in zipline", 'register("mine"')

    other = tmp_path / "other"
    other.mkdir()
    (other / "afterclose.toml").write_text(
        '[data]\nsource = "bundle"\nfolder = "../zipline"\nbundle = "mine"\n', encoding="utf-8"
    )
    back = afterclose("update", "--session", EVENING.isoformat(), home=other)
    assert_told(back, 0, "fresh", "What the source cannot keep", "AC134")
    kept, whole = MarketStore.open(other / "store"), MarketStore.open(tmp_path / "market")
    assert kept.symbols() == whole.symbols()
    close = whole.bars("ZTZ26").close[-1]
    assert kept.bars("ZTZ26").close[-1] == round(float(close), 3)

    (other / "afterclose.toml").write_text('[data]\nsource = "bundle"\n', encoding="utf-8")
    assert_told(afterclose("update", home=other), 2, "data.bundle is not set")


def test_a_store_is_filled_from_the_gateway_and_goes_on_where_it_was_cut_off(
    tmp_path: Path,
) -> None:
    roots = ("CL", "ES", "FDAX", "ZC")
    made = generate(roots, first=date(2026, 3, 2), last=date(2026, 10, 22))
    write_gateway_folder(made, tmp_path / "played", live_on=EVENING, through=EVENING)
    gateway = tws_sim.running(
        market=tws_sim.Market.from_folder(tmp_path / "played"),
        account=tws_sim.AccountSpec(account="DU1234567", cash={"USD": Decimal(1_000_000)}),
        clock=tws_sim.FrozenClock(datetime(2026, 10, 22, 21, 30, tzinfo=UTC)),
        scenario=tws_sim.Scenario.from_toml("[connection]\ndrop_after_messages = 17\n"),
    )
    with gateway as running:
        (tmp_path / "afterclose.toml").write_text(
            f'[broker]\nport = {running.port}\n[data]\nsource = "gateway"\n'
            'roots = ["CL", "ES", "FDAX", "ZC"]\n',
            encoding="utf-8",
        )
        cut_off = afterclose("update", "--session", EVENING.isoformat(), home=tmp_path)
        assert_told(cut_off, 1, "ZC: the source gave nothing", "the line to the gateway was lost")
        had = [MarketStore.open(tmp_path / "store").roots()]
        while len(had[-1]) < len(roots) and len(had) < len(roots):
            afterclose("update", "--session", EVENING.isoformat(), home=tmp_path)
            had.append(MarketStore.open(tmp_path / "store").roots())
        again = afterclose("update", "--session", EVENING.isoformat(), home=tmp_path)

    assert 0 < len(had[0]) < len(roots)
    assert all(set(before) < set(after) for before, after in pairwise(had))
    assert_told(again, 0, "4 markets had the session already", "0 new bars", "0 revised values")
    store = MarketStore.open(tmp_path / "store")
    assert (store.roots(), store.last_session) == (list(roots), EVENING)
    theirs = {piece.symbol: piece for piece in made.bars.split()}
    for symbol in store.symbols():
        bars_here = store.bars(symbol)
        at = theirs[symbol].sessions.searchsorted(bars_here.sessions)
        assert bars_here.close.tolist() == theirs[symbol].close[at].tolist()
    assert len(store.fx("EUR")) >= 40
    verify_store(tmp_path / "store")
