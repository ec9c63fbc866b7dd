"""The ledger on a file: what is written is there after it is opened again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from afterclose.adapters.ledger.rows import same_order
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.nav import AccountNav, CashFlow
from afterclose.domain.orders import Approval
from afterclose.errors import ExitCode, LedgerError
from make import (
    ACCOUNT,
    EUR,
    NOW,
    SESSION,
    TOMORROW,
    USD,
    filled,
    intent,
    make_contract,
    make_event,
    make_exit,
    make_fill,
    make_order,
    status,
)

D = Decimal
BUY = make_order("6EZ26", signed=3, limit_price=D("1.15340"), stop_level=D("1.1"), reason="é → 日")
ES, ESH = make_contract("ESZ26"), make_contract("ESH27")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, path: Path) -> Iterator[SqlLedger]:
    """The same tests on both: a file, and a schema of its own on a real server."""
    if request.param == "sqlite":
        opened = SqlLedger(f"sqlite:///{path.as_posix()}")
    else:
        opened = SqlLedger(request.getfixturevalue("postgresql"), desk=uuid4().hex[:8])
    yield opened
    opened.close()


def reopened(ledger: SqlLedger) -> SqlLedger:
    """Another program's view: every connection of the first is gone."""
    ledger.close()
    ledger.__init__(ledger.url, desk=ledger.desk)  # type: ignore[misc]
    return ledger


def test_orders_come_back_as_they_were_written(ledger: SqlLedger) -> None:
    ledger.record_orders("run", [BUY, make_exit("ESZ26")])

    assert set(reopened(ledger).orders(SESSION)) == {BUY, make_exit("ESZ26")}
    assert ledger.orders(TOMORROW) == ()


def test_an_order_may_be_recorded_twice(ledger: SqlLedger) -> None:
    ledger.record_orders("run", [BUY])
    ledger.record_orders("another run", [replace(BUY, reason="other words")])

    assert ledger.orders(SESSION) == (BUY,)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 4},
        {"limit_price": D("1.15345")},
        {"order_type": "MKT"},
        {"tif": "GTC"},
        {"account": "DU7654321"},
    ],
)
def test_a_reference_never_gets_another_meaning(ledger: SqlLedger, change: dict[str, Any]) -> None:
    ledger.record_orders("run", [BUY])

    with pytest.raises(LedgerError, match=BUY.order_ref) as raised:
        ledger.record_orders("run", [replace(BUY, **change)])
    assert raised.value.hint
    assert reopened(ledger).orders(SESSION) == (BUY,)


def test_orders_are_recorded_together_or_not_at_all(ledger: SqlLedger) -> None:
    ledger.record_orders("run", [BUY])

    with pytest.raises(LedgerError):
        ledger.record_orders("run", [make_order("ESZ26"), replace(BUY, quantity=9)])
    assert ledger.orders(SESSION) == (BUY,)


def test_equal_orders_do_the_same_in_the_market() -> None:
    assert same_order(BUY, replace(BUY, reason="", trade_id="", held_before=7))
    assert same_order(BUY, replace(BUY, limit_price=D("1.1534")))


def test_events_come_back_in_the_order_they_were_written(ledger: SqlLedger) -> None:
    other = make_order("ESZ26")
    events = [intent(BUY), intent(other), status(BUY, "Submitted"), filled(BUY, 3, "a.01")]
    ledger.record_orders("run", [BUY, other])
    ledger.append_events("run", events[:1])
    ledger.append_events("run", events[1:])
    ledger.append_events("run", [])

    assert list(reopened(ledger).events(SESSION)) == events


def test_events_belong_to_the_session_of_their_order(ledger: SqlLedger) -> None:
    later = replace(BUY, order_ref="desk-20261120-TF-6EZ26-O1", session=TOMORROW)
    ledger.record_orders("run", [BUY, later])
    ledger.append_events("run", [intent(BUY), intent(later)])

    assert list(ledger.events(TOMORROW)) == [intent(later)]


def test_what_is_held_is_what_was_adopted_and_filled(ledger: SqlLedger) -> None:
    sell = make_exit("ESZ26", signed=-2)
    ledger.adopt("TF", {ES: 5, ESH: 0}, at=NOW, note="inception")
    ledger.adopt("MR", {ES: 7}, at=NOW, note="another model")
    ledger.record_orders("run", [sell, make_order("ESH27", 4)])
    ledger.append_events(
        "run", [filled(sell, 2, "a.01"), filled(make_order("ESH27", 4), 1, "b.01")]
    )

    assert reopened(ledger).held("TF") == {ESH: 1, ES: 3}
    assert ledger.held("MR") == {ES: 7}
    assert ledger.held("nobody") == {}


def test_a_position_that_came_to_zero_is_not_held(ledger: SqlLedger) -> None:
    sell = make_exit("ESZ26", signed=-2)
    ledger.adopt("TF", {ES: 2}, at=NOW, note="inception")
    ledger.record_orders("run", [sell])
    ledger.append_events("run", [filled(sell, 2, "a.01")])

    assert ledger.held("TF") == {}


def test_a_correction_replaces_its_execution(ledger: SqlLedger) -> None:
    order = make_order("ESZ26", 3)
    ledger.record_orders("run", [order])
    ledger.append_events("run", [filled(order, 3, "0000e0d5.67.01")])
    ledger.append_events("run", [filled(order, 2, "0000e0d5.67.02")])
    ledger.append_events("run", [filled(order, 3, "0000e0d5.67.01")])

    assert reopened(ledger).held("TF") == {ES: 2}


def test_an_execution_told_twice_and_its_commission_count_once(ledger: SqlLedger) -> None:
    order = make_order("ESZ26", 3)
    paid = make_fill(order, 3, commission=D("6.15"), commission_currency=USD)
    ledger.record_orders("run", [order])
    ledger.append_events("run", [filled(order, 3, paid.exec_id), filled(order, 3, paid.exec_id)])
    ledger.append_events("run", [make_event(order, "commission", fill=paid)])

    assert ledger.held("TF") == {ES: 3}


def test_a_fill_is_its_events_order_whatever_reference_it_carries(ledger: SqlLedger) -> None:
    one, other = make_order("ESZ26", 1), make_order("ESH27", 2)
    ledger.record_orders("run", [one, other])
    ledger.append_events(
        "run", [filled(one, 1, "a.01", order_ref=""), filled(other, 2, "b.01", order_ref="")]
    )

    assert ledger.held("TF") == {ESH: 2, ES: 1}


def test_every_model_that_ever_traded_or_held_is_named(ledger: SqlLedger) -> None:
    ledger.adopt("OLD", {ES: 1}, at=NOW, note="")
    ledger.record_orders("run", [BUY, make_order("ESZ26", model="MR")])

    assert reopened(ledger).models() == ["MR", "OLD", "TF"]


def approval(**fields: Any) -> Approval:
    defaults: dict[str, Any] = {
        "run_id": "run",
        "digest": "d" * 64,
        "account": ACCOUNT,
        "order_refs": (BUY.order_ref,),
        "reviewer": "Ann",
        "at": NOW,
        "expires_at": NOW + timedelta(hours=12),
        "overrides": ((BUY.order_ref, "seen"),),
    }
    return Approval(**{**defaults, **fields})


def test_the_last_decision_counts(ledger: SqlLedger) -> None:
    no = approval(order_refs=(), at=NOW + timedelta(minutes=1))
    ledger.record_approval(approval())
    assert ledger.approval("run") == approval()

    ledger.record_approval(no)
    assert reopened(ledger).approval("run") == no
    assert ledger.approval("another run") is None


def test_every_connection_is_durable(path: Path) -> None:
    with (
        closing(SqlLedger(f"sqlite:///{path.as_posix()}")) as ledger,
        ledger._engine.connect() as connection,
    ):
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA fullfsync")) == 1


def test_a_commit_is_on_disk_even_where_the_server_would_not_wait(postgresql: str) -> None:
    lazy = make_url(postgresql).update_query_dict({"options": "-c synchronous_commit=off"})
    address = lazy.render_as_string(hide_password=False)
    with (
        closing(SqlLedger(address, desk=uuid4().hex[:8])) as ledger,
        ledger._engine.connect() as connection,
    ):
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"


def test_a_second_reader_sees_what_is_written_at_once(ledger: SqlLedger) -> None:
    ledger.record_orders("run", [BUY])
    ledger.append_events("run", [intent(BUY)])
    with closing(SqlLedger(ledger.url, desk=ledger.desk)) as other:
        assert list(other.events(SESSION)) == [intent(BUY)]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/ledger.sqlite",
        "not a database",
        "postgresql+nosuchdriver://here/ledger",
        "nosuchdialect://here/ledger",
    ],
)
def test_an_unusable_address_is_said_with_what_to_do(url: str) -> None:
    with pytest.raises(LedgerError) as raised:
        SqlLedger(url)
    assert raised.value.hint
    assert raised.value.exit_code is ExitCode.OUTSIDE_DOWN


def test_a_file_that_is_no_ledger_is_said(path: Path) -> None:
    path.write_bytes(b"this is a shopping list, and not a database at all" * 40)

    with pytest.raises(LedgerError):
        SqlLedger(f"sqlite:///{path.as_posix()}")


def test_a_folder_in_the_ledgers_place_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        SqlLedger(f"sqlite:///{tmp_path.as_posix()}")


def test_a_row_of_another_version_is_said_and_not_guessed(ledger: SqlLedger) -> None:
    ledger.record_orders("run", [BUY])
    with ledger._engine.begin() as connection:
        connection.execute(text("UPDATE orders SET payload = '{\"order_ref\": 1}'"))

    with pytest.raises(LedgerError, match="cannot read"):
        ledger.orders(SESSION)
    with pytest.raises(LedgerError, match="cannot read"):
        ledger.record_orders("run", [BUY])


def test_the_accounts_value_comes_back_as_it_was_recorded(ledger: SqlLedger) -> None:
    record = AccountNav(
        account=ACCOUNT,
        session=SESSION,
        as_of=NOW,
        base=EUR,
        net_liquidation=D("1000000.01"),
        reporting=USD,
        rate=D("1.0825"),
        rate_source="the account's own rate",
        cash={EUR: D(900000), USD: D("-12.5")},
        rates={USD: D("0.923787528868360")},
        positions={"ESZ26": -3},
    )
    later = replace(record, as_of=NOW + timedelta(hours=1), positions=None, rate=None)
    ledger.record_nav(later)
    ledger.record_nav(record)

    assert list(reopened(ledger).navs(ACCOUNT)) == [record, later]
    assert ledger.navs("DU7654321") == ()


def test_deposits_come_back_as_they_were_told(ledger: SqlLedger) -> None:
    flow = CashFlow(at=NOW, amount=D("-2500.75"), currency=EUR, by="Ann", note="out")
    ledger.record_flow(flow)

    assert list(reopened(ledger).flows()) == [flow]


def test_sessions_with_orders_are_named_in_their_order(ledger: SqlLedger) -> None:
    later = replace(BUY, order_ref="desk-20261120-TF-6EZ26-O1", session=TOMORROW)
    ledger.record_orders("run", [later, BUY])

    assert list(reopened(ledger).sessions()) == [SESSION, TOMORROW]


def test_adoptions_are_told_with_their_moment(ledger: SqlLedger) -> None:
    ledger.adopt("TF", {ES: 5}, at=NOW, note="inception")
    ledger.adopt("MR", {ES: 1}, at=NOW, note="")

    assert list(reopened(ledger).adoptions("TF")) == [(NOW, ES, 5)]
