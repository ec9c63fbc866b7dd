"""A store filled from a gateway over TCP, by the adapter that speaks to the real one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from afterclose import tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ibkr import open_reader
from afterclose.adapters.marketdata.gateway_folder import write_gateway_folder
from afterclose.adapters.marketdata.gateway_history import GatewayUpdate, update_from_gateway
from afterclose.adapters.marketdata.generated import generate
from afterclose.adapters.marketdata.records import MarketData
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.adapters.marketdata.verify import verify_store
from afterclose.domain.contracts import (
    ContractSpec,
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
    RootSymbol,
)
from afterclose.domain.market import (
    AnswerState,
    Bar,
    BarsAnswer,
    FxHistory,
    Qualification,
    QualificationState,
)
from unit.tws_sim.sim_market import account

ROOTS = ("CL", "ES", "FDAX", "SI", "ZC")
MONDAY, TUESDAY = date(2026, 2, 2), date(2026, 2, 3)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def evening(day: date) -> datetime:
    """Half past four in Chicago: the session of that date is over, the next one not yet open."""
    return datetime(day.year, day.month, day.day, 22, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def data() -> MarketData:
    return generate(ROOTS, first=date(2025, 9, 1), last=date(2026, 2, 5))


async def updated(folder: Path, data: MarketData, day: date) -> GatewayUpdate:
    played = folder / f"played-{day}"
    write_gateway_folder(data, played, live_on=day, through=date(2026, 2, 5))
    gateway = tws_sim.running(
        market=tws_sim.Market.from_folder(played),
        account=account(),
        clock=tws_sim.FrozenClock(evening(day)),
    )
    specs = [packaged_specs()[RootSymbol(root)] for root in ROOTS]
    with gateway as running:
        async with open_reader(
            host=running.host, port=running.port, client_id=7, account=""
        ) as reader:
            return await update_from_gateway(
                folder / "store", reader, specs, session=day, now=evening(day)
            )


@pytest.mark.anyio
async def test_bars_come_in_the_vendors_unit_and_the_next_evening_adds_one_session(
    tmp_path: Path, data: MarketData
) -> None:
    first = await updated(tmp_path, data, MONDAY)
    assert [root.root for root in first.roots] == list(ROOTS)
    assert first.failed == {}
    store = MarketStore.open(tmp_path / "store")
    assert store.last_session == MONDAY
    require_same(store, data, MONDAY)
    silver = store.contract("SIH26")
    assert (silver.point_value, silver.tick_size) == (50.0, 0.5)  # cents, as a vendor has them
    euro, theirs = store.fx("EUR"), data.fx["EUR"]
    assert len(euro) >= 40
    at = theirs.sessions.searchsorted(euro.sessions)
    assert euro.usd_per_unit.tolist() == pytest.approx(theirs.usd_per_unit[at].tolist(), rel=1e-4)
    assert first.rates == len(euro)

    second = await updated(tmp_path, data, TUESDAY)
    assert [root.bars for root in second.roots] == [4, 4, 3, 4, 4]
    grown = MarketStore.open(tmp_path / "store")
    assert grown.last_session == TUESDAY
    assert [change for change in grown.revisions() if change.field == "close"] == []
    require_same(grown, data, TUESDAY)

    third = await updated(tmp_path, data, TUESDAY)
    assert third.passed_over == ROOTS
    assert MarketStore.open(tmp_path / "store").fingerprint == grown.fingerprint
    verify_store(tmp_path / "store")


def require_same(store: MarketStore, data: MarketData, day: date) -> None:
    """Every bar equals the generated one it was played from; up to four deliveries of each root."""
    generated = {piece.symbol: piece for piece in data.bars.split()}
    records = {record.symbol: record for record in data.contracts}
    for root in ROOTS:
        assert len(store.symbols(root)) == (3 if root == "FDAX" else 4)
        for symbol in store.symbols(root):
            bars = store.bars(symbol)
            theirs = generated[symbol]
            at = theirs.sessions.searchsorted(bars.sessions)
            assert len(bars) >= 40
            assert bars.sessions[-1] == np.datetime64(day)
            for name in ("open", "high", "low", "close", "volume"):
                assert getattr(bars, name).tolist() == getattr(theirs, name)[at].tolist()
            assert store.contract(symbol).first_notice == records[symbol].first_notice


@dataclass
class Deaf:
    """A gateway that answers as told, for answers that the paper gateway does not give."""

    qualification: Qualification
    bars: BarsAnswer

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        return {
            mapped.contract: replace(self.qualification, qualified=qualified(mapped))
            if self.qualification.state is QualificationState.FOUND
            else self.qualification
            for mapped in contracts
        }

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        return {
            one.contract: replace(self.bars, bars=self.bars.bars[-sessions:]) for one in contracts
        }

    async def fx_history(
        self, currencies: Collection[Currency], *, base: Currency, sessions: int
    ) -> FxHistory:
        why = f"no answer about {sessions} days"
        return FxHistory(base=base, missing=dict.fromkeys(currencies, why))


def qualified(mapped: MappedContract) -> QualifiedContract:
    spec: ContractSpec = mapped.spec
    return QualifiedContract(
        contract=mapped.contract,
        con_id=1,
        local_symbol="",
        symbol=spec.ib_symbol,
        exchange=spec.ib_exchange,
        currency=spec.currency,
        trading_class=spec.trading_class,
        multiplier=spec.multiplier,
        price_magnifier=spec.price_magnifier,
        tick_size=spec.tick_size,
        contract_month=mapped.contract.month,
        last_trade_date=None,
        time_zone="",
        trading_hours="",
        liquid_hours="",
    )


def one_bar(day: date, volume: int = 100) -> Bar:
    price = Decimal("59.32")
    return Bar(session=day, open=price, high=price, low=price, close=price, volume=Decimal(volume))


FOUND = Qualification(state=QualificationState.FOUND)
VALUE = BarsAnswer(state=AnswerState.VALUE, bars=(one_bar(MONDAY, -1), one_bar(TUESDAY)))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("qualification", "bars", "reason"),
    [
        (Qualification(state=QualificationState.UNKNOWN, text="timed out"), VALUE, "timed out"),
        (Qualification(state=QualificationState.AMBIGUOUS, text="two match"), VALUE, "two match"),
        (FOUND, BarsAnswer(state=AnswerState.UNKNOWN, text="pacing violation"), "pacing"),
    ],
)
async def test_silence_is_never_taken_for_nothing(
    tmp_path: Path, qualification: Qualification, bars: BarsAnswer, reason: str
) -> None:
    spec = packaged_specs()[RootSymbol("CL")]
    update = await update_from_gateway(
        tmp_path, Deaf(qualification, bars), [spec], session=MONDAY, now=evening(MONDAY)
    )
    assert update.roots == ()
    assert reason in update.failed["CL"]
    assert MarketStore.open(tmp_path).symbols() == []


@pytest.mark.anyio
async def test_the_forming_session_is_no_bar_and_an_unknown_volume_is_unknown(
    tmp_path: Path,
) -> None:
    spec = packaged_specs()[RootSymbol("CL")]
    await update_from_gateway(
        tmp_path, Deaf(FOUND, VALUE), [spec], session=MONDAY, now=evening(MONDAY)
    )
    store = MarketStore.open(tmp_path)
    (month, *_) = store.symbols("CL")
    assert store.bars(month).sessions.tolist() == [MONDAY]
    assert np.isnan(store.bars(month).volume[0])


@pytest.mark.anyio
async def test_a_settlement_that_replaces_a_last_trade_is_a_revision_and_history_is_kept(
    tmp_path: Path,
) -> None:
    spec = packaged_specs()[RootSymbol("CL")]
    long_ago = tuple(one_bar(date(2025, 10, day)) for day in (1, 2, 3))
    last_trade = BarsAnswer(state=AnswerState.VALUE, bars=(*long_ago, one_bar(MONDAY)))
    await update_from_gateway(
        tmp_path, Deaf(FOUND, last_trade), [spec], session=MONDAY, now=evening(MONDAY)
    )
    settled = replace(one_bar(MONDAY), close=Decimal("59.40"))
    later = BarsAnswer(state=AnswerState.VALUE, bars=(settled, one_bar(TUESDAY)))
    await update_from_gateway(
        tmp_path, Deaf(FOUND, later), [spec], session=TUESDAY, now=evening(TUESDAY)
    )
    store = MarketStore.open(tmp_path)
    (month, *_) = store.symbols("CL")
    assert store.bars(month).close.tolist() == [59.32, 59.32, 59.32, 59.4, 59.32]
    changes = {(r.session, r.field, r.old, r.new) for r in store.revisions() if r.symbol == month}
    assert (MONDAY, "close", "59.32", "59.4") in changes
    assert {r.session for r in store.revisions()} == {MONDAY, TUESDAY}
