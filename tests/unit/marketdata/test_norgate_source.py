from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from afterclose.adapters.marketdata.arrange import cut_after
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.norgate import NorgateSource
from afterclose.adapters.marketdata.norgate_client import installed_norgate
from afterclose.adapters.marketdata.records import MarketData
from afterclose.adapters.marketdata.store import MarketStore, MarketStoreWriter
from afterclose.adapters.marketdata.update import update_store
from afterclose.errors import DataError, SourceUnavailable
from unit.marketdata.fake_norgate import LAST, FakeNorgate

NOW = datetime(2026, 3, 13, 22, tzinfo=UTC)
YESTERDAY = date(2026, 3, 12)


@pytest.fixture(scope="module")
def market() -> MarketData:
    return generate(("CL", "FDAX", "NKD", "SI"), first=date(2026, 1, 2), last=LAST)


def test_a_store_filled_from_the_vendor_holds_its_bars_to_the_last_bit(
    tmp_path: Path, market: MarketData
) -> None:
    update_store(
        tmp_path / "a", NorgateSource(functions=FakeNorgate(market)), session=LAST, now=NOW
    )
    store = MarketStore.open(tmp_path / "a")
    for piece in market.bars.split():
        assert store.bars(piece.symbol).close.tobytes() == piece.close.tobytes()
        assert store.bars(piece.symbol).open_interest.tobytes() == piece.open_interest.tobytes()
    for ours, theirs in zip(store.contracts(), market.contracts, strict=True):
        assert ours == theirs
    assert store.source == "Norgate Data"


def test_the_next_evening_asks_facts_of_new_contracts_only(
    tmp_path: Path, market: MarketData
) -> None:
    early = cut_after(market, YESTERDAY)
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(early, source="Norgate Data")
    known = {record.symbol: record for record in MarketStore.open(tmp_path).contracts()}
    fake = FakeNorgate(market)
    update = update_store(
        tmp_path, NorgateSource(functions=fake, known=known), session=LAST, now=NOW
    )
    assert update.revisions == ()
    assert fake.calls["facts"] == len(market.contracts) - len(early.contracts)
    store = MarketStore.open(tmp_path)
    assert store.last_session == LAST
    again = FakeNorgate(market)
    source = NorgateSource(functions=again, known=known, ask_facts_again=True)
    update_store(tmp_path, source, session=LAST, now=NOW)
    assert again.calls["facts"] > 50
    assert MarketStore.open(tmp_path).fingerprint == store.fingerprint


def test_exchange_rates_come_direct_or_as_the_inverse(market: MarketData) -> None:
    yen = generate(("SJB", "FDAX"), first=date(2026, 3, 2), last=LAST)
    source = NorgateSource(functions=FakeNorgate(yen))
    rates = source.fx(["EUR", "JPY", "KRW"], first=date(2026, 3, 2), last=LAST)
    assert sorted(rates) == ["EUR", "JPY"]
    assert rates["EUR"].asof(LAST) == pytest.approx(yen.fx["EUR"].asof(LAST), rel=1e-7)
    assert rates["JPY"].asof(LAST) == pytest.approx(yen.fx["JPY"].asof(LAST), rel=1e-7)
    assert 0.002 < rates["JPY"].asof(LAST) < 0.03


def test_a_contract_that_ends_nobody_knows_when_is_closed_before_its_delivery_month(
    market: MarketData,
) -> None:
    endless = [
        replace(record, last_trade=None, first_notice=None)
        for record in market.contracts
        if record.root == "NKD"
    ]
    bars = [piece for piece in market.bars.split() if piece.symbol.startswith("NKD")]
    data = MarketData(contracts=tuple(endless), bars=type(market.bars).joined(bars), fx={})
    records = NorgateSource(functions=FakeNorgate(data)).contracts("NKD", live_on=LAST)
    june = next(record for record in records if record.symbol == "NKDM26")
    assert june.last_trade is None
    assert june.auto_close == date(2026, 5, 28)  # 1 June 2026 is a Monday


def test_only_contracts_that_can_still_trade_are_looked_at(market: MarketData) -> None:
    source = NorgateSource(functions=FakeNorgate(market))
    records = source.contracts("CL", live_on=date(2026, 6, 15))
    assert min(record.contract_month for record in records) == "202604"


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [
        ("updater down", "Norgate Data Updater does not answer"),
        ("updater hangs", "no answer within 0.05 s"),
        ("no text", "ValueError"),
    ],
)
def test_every_way_the_vendor_fails_is_said_and_leaves_the_store_alone(
    tmp_path: Path, market: MarketData, trouble: str, complaint: str
) -> None:
    with MarketStoreWriter(tmp_path) as writer:
        writer.write_all(cut_after(market, YESTERDAY), source="Norgate Data")
    before = MarketStore.open(tmp_path).fingerprint
    fake = FakeNorgate(market)
    fake.trouble = trouble
    limit = 0.05 if trouble == "updater hangs" else 60.0
    source = NorgateSource(functions=fake, limit_seconds=limit)
    with pytest.raises(SourceUnavailable, match=complaint):
        update_store(tmp_path, source, session=LAST, now=NOW)
    fake.released.set()
    assert MarketStore.open(tmp_path).fingerprint == before


def test_of_contracts_no_longer_traded_those_are_asked_for_that_the_vendor_wrote_since(
    market: MarketData,
) -> None:
    fake = FakeNorgate(market)
    since = datetime(2026, 2, 1, tzinfo=UTC)
    fake.written = {
        "CL-2026G": datetime(2026, 2, 2, 3, tzinfo=UTC),
        "CL-2026H": datetime(2026, 1, 31, 3, tzinfo=UTC),
        "SI-2026H": None,
    }
    source = NorgateSource(functions=fake)
    asked = ["CLG26", "CLH26", "SIH26", "NKDH26", "CLZ99"]
    assert source.rewritten(asked, since=since) == ["CLG26", "SIH26"]


def test_a_name_we_cannot_read_is_refused_not_skipped(market: MarketData) -> None:
    fake = FakeNorgate(market)
    fake.listed_as = {"CL-2026M": "CL-26M"}
    with pytest.raises(DataError, match="CL-26M"):
        NorgateSource(functions=fake).contracts("CL", live_on=None)


def test_a_machine_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(SourceUnavailable, match="not installed") as caught:
        installed_norgate()
    assert "pip install norgatedata" in caught.value.hint
