"""The snapshot: asked once, for exactly what tonight needs; what does not come stays unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import pytest

from afterclose.clock import ManualClock
from afterclose.domain.account import AccountSnapshot
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.contracts import (
    Currency,
    FuturesContract,
    MappedContract,
    QualifiedContract,
)
from afterclose.domain.market import (
    BarsAnswer,
    FxRate,
    FxRates,
    MarketSnapshot,
    Qualification,
    QualificationState,
    Quote,
)
from afterclose.errors import AccountMismatch, BrokerTimeout
from afterclose.ports import BrokerReader
from afterclose.stages.snapshot import (
    SnapshotRequest,
    capital_in_base,
    completed_fx,
    currencies_of,
    run,
)
from make import (
    ACCOUNT,
    EUR,
    NOW,
    SESSION,
    USD,
    bars_answer,
    found,
    make_account,
    make_bars,
    make_contract,
    make_mapped,
    make_quote,
)

D = Decimal
ES, NQ = make_contract("ESZ26"), make_contract("NQZ26")
JPY, KRW = Currency("JPY"), Currency("KRW")


def rate(currency: Currency, value: str, as_of: date = SESSION) -> FxRate:
    return FxRate(currency=currency, rate=D(value), as_of=as_of, source=f"{currency}.USD")


@dataclass
class Reader:
    """A gateway that knows ESZ26 and nothing else, and remembers what it was asked."""

    served: tuple[str, ...] = (ACCOUNT,)
    snapshot: AccountSnapshot = field(default_factory=make_account)
    rates: Mapping[Currency, FxRate] = field(default_factory=dict)
    asked: dict[str, object] = field(default_factory=dict)
    tells_time: bool = True

    async def server_time(self) -> datetime:
        if not self.tells_time:
            raise BrokerTimeout("no answer")
        return NOW

    async def accounts(self) -> Sequence[str]:
        return self.served

    async def qualify(
        self, contracts: Collection[MappedContract]
    ) -> Mapping[FuturesContract, Qualification]:
        missing = Qualification(state=QualificationState.MISSING)
        return {m.contract: found("ESZ26") if m.contract == ES else missing for m in contracts}

    async def describe(self, con_ids: Collection[int]) -> Mapping[int, QualifiedContract]:
        raise NotImplementedError(f"nobody asks what {con_ids} are")

    async def daily_bars(
        self, contracts: Collection[QualifiedContract], *, sessions: int
    ) -> Mapping[FuturesContract, BarsAnswer]:
        self.asked["bars"] = ({c.contract for c in contracts}, sessions)
        return {c.contract: bars_answer(make_bars([6000])) for c in contracts}

    async def quotes(
        self, contracts: Collection[QualifiedContract]
    ) -> Mapping[FuturesContract, Quote]:
        return {c.contract: make_quote() for c in contracts}

    async def fx_rates(self, currencies: Collection[Currency], *, base: Currency) -> FxRates:
        self.asked["fx"] = frozenset(currencies)
        return FxRates(base=base, rates=self.rates)

    async def account(self, account: str) -> AccountSnapshot:
        self.asked["account"] = account
        return self.snapshot

    async def sweep(self) -> OrderSweep:
        raise BrokerTimeout("nobody asks for the book here")


async def snapshot(reader: BrokerReader, *contracts: MappedContract) -> MarketSnapshot:
    request = SnapshotRequest(
        session=SESSION, account=ACCOUNT, contracts=contracts, sessions=21, base=USD
    )
    return await run(reader, request, ManualClock(NOW))


@pytest.mark.anyio
async def test_only_contracts_that_were_found_are_priced() -> None:
    reader = Reader()
    live = await snapshot(reader, make_mapped("ESZ26"), make_mapped("NQZ26"))

    assert reader.asked["bars"] == ({ES}, 21)
    assert set(live.qualifications) == {ES, NQ}
    assert set(live.bars) == set(live.quotes) == {ES}
    assert (live.session, live.as_of, live.server_time) == (SESSION, NOW, NOW)
    assert reader.asked["account"] == ACCOUNT


@pytest.mark.anyio
async def test_a_gateway_that_does_not_tell_the_time_stops_nothing() -> None:
    live = await snapshot(Reader(tells_time=False), make_mapped("ESZ26"))

    assert live.server_time is None
    assert set(live.bars) == {ES}


@pytest.mark.anyio
@pytest.mark.parametrize("served", [(), ("DU7654321",), ("U1234567", "DU7654321")])
async def test_another_account_stops_the_evening(served: tuple[str, ...]) -> None:
    with pytest.raises(AccountMismatch, match=ACCOUNT):
        await snapshot(Reader(served=served), make_mapped())


@pytest.mark.anyio
async def test_rates_are_asked_for_every_currency_that_tonight_needs() -> None:
    account = make_account(base=EUR, cash={USD: D(5), JPY: D(900), KRW: D(0)})
    reader = Reader(snapshot=account)
    await snapshot(reader, make_mapped("ESZ26", currency=Currency("GBP")))

    assert reader.asked["fx"] == {Currency("GBP"), EUR, JPY}


def test_the_base_needs_no_rate() -> None:
    contracts = [make_mapped("ESZ26"), make_mapped("NQZ26", currency=EUR)]

    assert currencies_of(contracts, make_account(), base=USD) == {EUR}


def test_a_missing_rate_is_taken_from_the_account() -> None:
    account = make_account(exchange_rates={EUR: D("1.16")})
    made = completed_fx(FxRates(base=USD, missing={EUR: "162"}), account, {EUR, USD}, as_of=SESSION)

    assert made.rate(EUR) == D("1.16")
    assert made.rates[EUR].source == "account ExchangeRate"
    assert made.missing == {}


def test_the_markets_rate_goes_before_the_accounts() -> None:
    account = make_account(exchange_rates={EUR: D("1.16")})
    rates = FxRates(base=USD, rates={EUR: rate(EUR, "1.17")})

    assert completed_fx(rates, account, {EUR}, as_of=SESSION).rate(EUR) == D("1.17")


@pytest.mark.parametrize(
    "account",
    [
        make_account(),
        make_account(exchange_rates={EUR: D(0)}),
        make_account(base=EUR, exchange_rates={EUR: D(1)}),  # rates into another base
    ],
)
def test_a_rate_that_nobody_has_stays_unknown_and_is_never_one(account: AccountSnapshot) -> None:
    made = completed_fx(FxRates(base=USD), account, {EUR}, as_of=SESSION)

    assert made.rate(EUR) is None
    assert made.missing[EUR]


@pytest.mark.parametrize(
    ("as_of", "usable"),
    [
        (date(2026, 11, 19), True),
        (date(2026, 11, 14), True),  # five days: a weekend and holidays on both sides
        (date(2026, 11, 13), False),
        (date(2026, 10, 1), False),
    ],
)
def test_a_stale_rate_is_a_missing_rate(as_of: date, usable: object) -> None:
    rates = FxRates(base=USD, rates={EUR: rate(EUR, "1.17", as_of)})
    made = completed_fx(rates, make_account(), {EUR}, as_of=SESSION)

    assert (made.rate(EUR) is not None) is usable
    assert (EUR in made.missing) is not usable


def test_a_stale_rate_gives_way_to_the_accounts() -> None:
    rates = FxRates(base=USD, rates={EUR: rate(EUR, "1.17", date(2026, 10, 1))})
    account = make_account(exchange_rates={EUR: D("1.16")})

    assert completed_fx(rates, account, {EUR}, as_of=SESSION).rate(EUR) == D("1.16")


def test_capital_is_converted_or_unknown() -> None:
    euros = make_account(base=EUR)
    rates = FxRates(base=USD, rates={EUR: rate(EUR, "1.20")})

    assert capital_in_base(euros, rates, D(1000)) == D(1200)
    assert capital_in_base(euros, FxRates(base=USD), D(1000)) is None
    assert capital_in_base(euros, rates, None) is None
    assert capital_in_base(make_account(), FxRates(base=USD), D(1000)) == D(1000)
