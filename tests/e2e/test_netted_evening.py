"""Two models in the same contracts: what goes to the market, and whose it is the day after."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from afterclose import by_hand, nightly, tws_sim
from afterclose.cli.hand_commands import crossing_lines
from afterclose.domain.broker_book import OrderSweep
from afterclose.domain.orders import OrderState
from afterclose.errors import ApprovalVoid
from afterclose.evening import dispatch, run_files
from afterclose.evening.books import read_books, session_lives
from afterclose.evening.desk import Desk
from afterclose.ports import BrokerReader
from afterclose.stages.flatten import Selection
from e2e.netted_desk import (
    Script,
    desk_at,
    gateway_at,
    make_market,
    prepared_and_sent,
)
from e2e.small_desk import EVENING, NEXT_EVENING, SESSION, TOMORROW

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TWO_MODELS = {
    "A": {"ESZ26": (0, 3), "HGZ26": (0, 3), "ZNZ26": (0, 2)},
    "B": {"ESZ26": (0, 2), "HGZ26": (0, -1), "ZNZ26": (0, -2)},
}
ALL_OUT = {
    "A": {"ESZ26": (3, 0), "HGZ26": (3, 0), "ZNZ26": (2, 0)},
    "B": {"ESZ26": (2, 0), "HGZ26": (-1, 0), "ZNZ26": (-2, 0)},
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("netted")
    make_market(home)
    return home


@pytest.fixture
def home(market: Path, tmp_path: Path) -> Path:
    home = tmp_path / "desk"
    shutil.copytree(market, home)
    return home


@pytest.fixture
def open_desk(home: Path) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def at(gateway: tws_sim.RunningGateway, script: Script, *, net: bool = True) -> Desk:
        opened.append(desk_at(home, gateway, script, net=net))
        return opened[-1]

    yield at
    for desk in opened:
        desk.ledger.close()  # type: ignore[attr-defined]


def books(desk: Desk) -> dict[str, dict[str, int]]:
    return {m: {c.symbol: q for c, q in desk.ledger.held(m).items()} for m in desk.ledger.models()}


def account(gateway: tws_sim.RunningGateway) -> dict[str, int]:
    return {p.root: int(p.quantity) for p in gateway.positions() if p.quantity}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


async def advance(gateway: tws_sim.RunningGateway, minutes: int) -> None:
    await asyncio.to_thread(gateway.advance_to, EVENING + timedelta(minutes=minutes))


async def test_rows_go_as_one_order_and_each_model_has_its_part(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, TWO_MODELS)
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, script)
        folder = await prepared_and_sent(desk, SESSION)
        sent = {o.order_ref: (o.action, int(o.quantity)) for o in gateway.orders()}
        await advance(gateway, 300)
        result = await nightly.settle(desk, folder)

    assert sent == {
        "small-20261021-NET-ESZ26-O1": ("BUY", 5),
        "small-20261021-NET-HGZ26-O1": ("BUY", 2),
    }
    assert books(desk) == {
        "A": {"ESZ26": 3, "HGZ26": 3, "ZNZ26": 2},
        "B": {"ESZ26": 2, "HGZ26": -1, "ZNZ26": -2},
    }
    assert result.settled
    assert all(check.agrees for check in result.positions)
    shares = table(folder.path / "66-fills-by-model.csv")
    fills = table(folder.path / "65-fills.csv")
    market = [s for s in shares if not s["of"].startswith("inside/")]
    assert sum(Decimal(s["commission"]) for s in shares) == sum(
        Decimal(f["commission"]) for f in fills
    )
    assert sum(int(s["signed"]) for s in market) == sum(int(f["quantity"]) for f in fills) == 7


async def test_the_report_shows_the_orders_before_anybody_approves(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, Script(home, TWO_MODELS))
        folder = await nightly.prepare(desk, SESSION)

    page = (folder.path / run_files.REPORT).read_text(encoding="utf-8")
    assert "small-20261021-NET-ESZ26-O1" in page
    assert "A buys 2 of B at 128.515625" in page
    buys = (folder.path / "baskets" / "TWS_Basket_BUY_20261021.csv").read_text(encoding="ascii")
    sells = (folder.path / "baskets" / "TWS_Basket_SELL_20261021.csv").read_text(encoding="ascii")
    assert "BUY,5,ES,FUT,202612" in buys
    assert "BUY,2,HG,FUT,202612" in buys
    assert "ZN" not in buys + sells


async def test_the_dry_run_says_what_crosses_inside_until_it_has_crossed(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, Script(home, TWO_MODELS))
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(desk, folder, reviewer="Ann", note="rehearsal")
        before = await dispatch.rehearse(desk, folder)
        assert gateway.orders() == ()
        shown = tuple(crossing_lines(before, desk.specs))
        by_hand.halt(desk, by="Ann", reason="a holiday")
        halted = await dispatch.rehearse(desk, folder)
        by_hand.lift(desk, by="Ann", reason="back")
        silent = await dispatch.rehearse(with_half_a_book(desk), folder)
        await nightly.trade(desk, folder, on_event=lambda _: None)
        after = await dispatch.rehearse(desk, folder)

    assert [d.order.order_ref for d in before.leaving if d.goes] == [
        "small-20261021-NET-ESZ26-O1",
        "small-20261021-NET-HGZ26-O1",
    ]
    assert len(shown) == 2
    assert "inside the desk, without an order: A buys 2 ZNZ26 of B at 128.515625" in shown
    assert any(": A buys 1 HGZ26 of B at " in line for line in shown)
    assert (after.leaving, after.crossing) == ((), ())
    assert halted.stopped.endswith(" UTC by Ann: a holiday")
    assert before.stopped == after.stopped == ""
    assert silent.stopped == "the broker's book could not be read whole: no end of open orders"


def with_half_a_book(desk: Desk) -> Desk:
    """The desk before a gateway that never ends its list of open orders."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[BrokerReader]:
        async with desk.open_reader() as reader:
            yield cast("BrokerReader", HalfABook(reader))

    return replace(desk, open_reader=opening)


class HalfABook:
    """A reader whose readings of the book miss one part."""

    def __init__(self, reader: BrokerReader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def sweep(self) -> OrderSweep:
        book = await self._reader.sweep()
        return replace(book, open_orders=(), unknown=("open orders",))


async def test_a_part_that_fills_is_shared_and_the_next_evening_closes_exactly_that(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, TWO_MODELS)
    with gateway_at(home, "[orders]\npartial_fills = { ES = 3 }") as gateway:
        desk = open_desk(gateway, script)
        folder = await prepared_and_sent(desk, SESSION)
        await by_hand.cancel_ours(desk, by="Ann")
        first = await nightly.settle(desk, folder)
        held = books(desk)
        after_first = account(gateway)

        script.wishes = ALL_OUT
        gateway.switch(None)
        await asyncio.to_thread(gateway.advance_to, NEXT_EVENING)
        folder = await prepared_and_sent(desk, TOMORROW)
        sent = {o.order_ref: (o.action, int(o.quantity)) for o in gateway.orders()}
        await asyncio.to_thread(gateway.advance_to, NEXT_EVENING + timedelta(hours=5))
        second = await nightly.settle(desk, folder)
        after_second = account(gateway)

    # Five for two models, three of them filled: A, B, A.
    assert held["A"] == {"ESZ26": 2, "HGZ26": 3, "ZNZ26": 2}
    assert held["B"] == {"ESZ26": 1, "HGZ26": -1, "ZNZ26": -2}
    assert after_first == {"ES": 3, "HG": 2}
    assert [f.code for f in first.findings] == ["AC602"]
    assert first.settled
    assert {ref: order for ref, order in sent.items() if "20261022" in ref} == {
        "small-20261022-NET-ESZ26-C1": ("SELL", 3),
        "small-20261022-NET-HGZ26-C1": ("SELL", 2),
    }
    assert books(desk) == {"A": {}, "B": {}}
    assert after_second == {}
    assert second.settled
    assert second.positions == ()


async def test_a_second_run_of_the_evening_sends_only_the_difference(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, TWO_MODELS)
    with gateway_at(home, "[orders]\npartial_fills = { ES = 3 }") as gateway:
        desk = open_desk(gateway, script)
        await prepared_and_sent(desk, SESSION)
        await by_hand.cancel_ours(desk, by="Ann")
        gateway.switch(None)
        folder = await prepared_and_sent(desk, SESSION)
        await nightly.trade(desk, folder, on_event=lambda _: None)  # and again: nothing more
        sent = {o.order_ref: (o.action, int(o.quantity)) for o in gateway.orders()}
        await advance(gateway, 300)
        await nightly.settle(desk, folder)
        traded = account(gateway)

    assert sent == {
        "small-20261021-NET-ESZ26-O1": ("BUY", 5),
        "small-20261021-NET-ESZ26-O2": ("BUY", 2),
        "small-20261021-NET-HGZ26-O1": ("BUY", 2),
    }
    assert books(desk) == {
        "A": {"ESZ26": 3, "HGZ26": 3, "ZNZ26": 2},
        "B": {"ESZ26": 2, "HGZ26": -1, "ZNZ26": -2},
    }
    assert traded == {"ES": 5, "HG": 2}


async def test_rows_that_crossed_cannot_go_again_under_another_decision(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, {"A": {"ZNZ26": (0, 2)}, "B": {"ZNZ26": (0, -2)}})
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, script)
        folder = await prepared_and_sent(desk, SESSION)
        assert gateway.orders() == ()
        nightly.approve(
            desk,
            folder,
            reviewer="Ann",
            note="only A",
            exclude=frozenset({"small-20261021-B-ZNZ26-O1"}),
        )
        with pytest.raises(ApprovalVoid, match="crossed inside already"):
            await nightly.trade(desk, folder, on_event=lambda _: None)
        assert gateway.orders() == ()

    assert books(desk) == {"A": {"ZNZ26": 2}, "B": {"ZNZ26": -2}}
    lives = session_lives(desk.ledger, SESSION)
    assert {life.state for life in lives.values()} == {OrderState.FILLED}


async def test_a_row_left_out_leaves_the_other_under_its_own_name(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, {"A": {"ESZ26": (0, 3)}, "B": {"ESZ26": (0, 2)}})
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, script)
        folder = await nightly.prepare(desk, SESSION)
        nightly.approve(
            desk,
            folder,
            reviewer="Ann",
            note="rehearsal",
            exclude=frozenset({"small-20261021-B-ESZ26-O1"}),
        )
        await nightly.trade(desk, folder, on_event=lambda _: None)

        assert [(o.order_ref, int(o.quantity)) for o in gateway.orders()] == [
            ("small-20261021-A-ESZ26-O1", 3)
        ]


async def test_without_netting_each_model_has_an_order_of_its_own(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    wishes = {"A": {"ESZ26": (0, 3)}, "B": {"ESZ26": (0, 2)}}
    with gateway_at(home, "") as gateway:
        desk = open_desk(gateway, Script(home, wishes), net=False)
        await prepared_and_sent(desk, SESSION)

        assert sorted((o.order_ref, int(o.quantity)) for o in gateway.orders()) == [
            ("small-20261021-A-ESZ26-O1", 3),
            ("small-20261021-B-ESZ26-O1", 2),
        ]


async def test_what_works_for_a_model_is_its_own_part_and_flattening_closes_all_of_it(
    home: Path, open_desk: Callable[..., Desk]
) -> None:
    script = Script(home, TWO_MODELS)
    with gateway_at(home, "[orders]\npartial_fills = { ES = 3 }") as gateway:
        desk = open_desk(gateway, script)
        await prepared_and_sent(desk, SESSION)
        working = read_books(desk.ledger, ("A", "B"), SESSION).working
        gateway.switch(None)
        request = by_hand.FlattenRequest(selection=Selection(everything=True), by="Ann")
        shown = await by_hand.preview(desk, request)
        await by_hand.carry_out(desk, request, shown, on_event=lambda _: None)

        assert account(gateway) == {}

    symbols = {m: {c.symbol: q for c, q in book.items() if q} for m, book in working.items()}
    assert symbols == {"A": {"ESZ26": 1}, "B": {"ESZ26": 1}}
    # What crossed inside hides from the account: a flattening of the account leaves it.
    assert books(desk) == {"A": {"ZNZ26": 2}, "B": {"ZNZ26": -2}}
