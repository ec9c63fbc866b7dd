"""Whatever is done to a store, in whatever order: it holds what a plain dictionary would hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterclose.adapters.marketdata import compaction
from afterclose.adapters.marketdata.store import (
    BarTable,
    MarketData,
    MarketStore,
    MarketStoreWriter,
)
from afterclose.adapters.marketdata.verify import verify_store
from unit.marketdata.market_examples import bars, contract, rates

WHEN = datetime(2020, 1, 1, tzinfo=UTC)
PRICES = st.floats(min_value=-100.0, max_value=100_000.0, allow_nan=False)
STEPS = st.one_of(
    st.tuples(st.just("session"), st.lists(PRICES, min_size=6, max_size=6)),
    st.tuples(st.just("list"), st.lists(PRICES, min_size=1, max_size=3)),
    st.tuples(st.just("revise"), st.lists(PRICES, min_size=2, max_size=2)),
    st.tuples(st.just("lose a bar"), st.just([])),
    st.tuples(st.just("compact"), st.just([])),
    st.tuples(st.just("fail"), st.lists(PRICES, min_size=1, max_size=1)),
)


@dataclass
class Model:
    """The store as a dictionary of closes by contract and day."""

    closes: dict[str, dict[str, float]] = field(default_factory=dict)
    euro: dict[str, float] = field(default_factory=dict)
    sessions: int = 0

    def next_day(self) -> str:
        self.sessions += 1
        return str(np.datetime64("2020-01-01") + self.sessions)

    def symbol(self, price: float) -> str:
        """Some contract, chosen by a price."""
        symbols = sorted(self.closes)
        return symbols[int(abs(price) * 7) % len(symbols)]

    def data(self) -> MarketData:
        return MarketData(
            contracts=tuple(contract(symbol, month="202103") for symbol in sorted(self.closes)),
            bars=BarTable.joined(bars(symbol, self.closes[symbol]) for symbol in self.closes),
            fx={"EUR": rates("EUR", self.euro)},
        )


def do(writer: MarketStoreWriter, model: Model, step: str, prices: list[float]) -> None:
    if step == "session":
        day = model.next_day()
        pieces = []
        for symbol, price in zip(sorted(model.closes), prices, strict=False):
            model.closes[symbol][day] = price
            pieces.append(bars(symbol, {day: price}))
        model.euro[day] = abs(prices[0]) + 1.0
        writer.append_session(
            date.fromisoformat(day), BarTable.joined(pieces), fx={"EUR": model.euro[day]}
        )
    elif step == "list":
        symbol = f"N{len(model.closes):02d}H21"
        model.closes[symbol] = {model.next_day(): price for price in prices}
        writer.append(
            BarTable.joined([bars(symbol, model.closes[symbol])]),
            contracts=[contract(symbol, month="202103")],
        )
    elif step == "revise" and model.closes:
        symbol = model.symbol(prices[0])
        first = next(iter(model.closes[symbol]), None)
        if first is not None:
            model.closes[symbol][first] = prices[1]
            writer.revise(symbol, bars(symbol, model.closes[symbol]), recorded_at=WHEN)
    elif step == "lose a bar" and model.closes:
        symbol = max(model.closes, key=lambda name: len(model.closes[name]))
        if len(model.closes[symbol]) > 1:
            del model.closes[symbol][min(model.closes[symbol])]
            writer.revise(symbol, bars(symbol, model.closes[symbol]), recorded_at=WHEN)
    elif step == "compact":
        writer.compact()


def fail_while_writing(path: Path, prices: list[float]) -> None:
    with MarketStoreWriter(path) as writer:
        writer.append(
            BarTable.joined([bars("LOSTH21", {"2020-01-01": prices[0]})]),
            contracts=[contract("LOSTH21", month="202103")],
        )
        raise KeyboardInterrupt


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=40))
def test_a_store_holds_what_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[float]]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    path, model = folder / "grown", Model()
    with MarketStoreWriter(path) as writer:
        do(writer, model, "list", [1.0])
        do(writer, model, "list", [2.0, 3.0])
    for step, prices in steps:
        if step == "fail":
            with pytest.raises(KeyboardInterrupt):
                fail_while_writing(path, prices)
            continue
        with MarketStoreWriter(path) as writer:
            do(writer, model, step, prices)
    store = MarketStore.open(path)
    for symbol, closes in model.closes.items():
        assert store.bars(symbol).sessions.astype(str).tolist() == list(closes)
        assert store.bars(symbol).close.tolist() == list(closes.values())
    assert sorted(store.symbols()) == sorted(model.closes)
    with MarketStoreWriter(folder / "whole") as writer:
        writer.write_all(model.data(), source="x")
    assert store.fingerprint == MarketStore.open(folder / "whole").fingerprint
    assert verify_store(path) == sum(len(closes) for closes in model.closes.values())
    assert len(list(path.glob("bars-*"))) <= compaction.MAX_LAYERS + 1
