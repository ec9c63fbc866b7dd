"""The demo evening: its artefacts agree with each other, and it is interesting."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from afterclose import demo
from afterclose.domain.audit import AuditRow
from afterclose.domain.findings import Verdict
from afterclose.domain.netting import NET_MODEL
from afterclose.domain.orders import OrderState, TradeKind
from afterclose.evening import run_files
from e2e.conftest import play

pytestmark = pytest.mark.slow


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def basket_of(evening: demo.DemoEvening, name: str) -> list[dict[str, str]]:
    return rows(evening.folder.path / "baskets" / name)


def test_every_order_can_be_followed_from_the_model_to_the_position(
    evening: demo.DemoEvening,
) -> None:
    """model trade → audit row → approval → order → fills → position."""
    folder = evening.folder.path
    trades = {r["trade_id"]: r for r in rows(folder / "20-model-trades.csv")}
    view = run_files.read_view(evening.folder)
    audited = {r.order.order_ref: r for r in view.audit.rows}
    lives = {life.order.order_ref: life for life in evening.lives}
    fills = Counter[str]()
    for fill in rows(folder / "65-fills.csv"):
        fills[fill["order_ref"]] += int(fill["quantity"])
    sides = [
        *basket_of(evening, "TWS_Basket_SELL_20261026.csv"),
        *basket_of(evening, "TWS_Basket_BUY_20261026.csv"),
    ]

    netting = view.netting
    assert sides
    assert netting
    for line in sides:
        ref = line["OrderRef"]
        life = lives[ref]
        parts = netting.parts_of(life.order)
        for name in parts:  # the rows that the order carries; itself where it is one
            row = audited[name]
            trade = trades[row.order.trade_id]
            assert trade["contract"] == row.order.contract.symbol == life.order.contract.symbol
            assert (int(trade["delta"]) > 0) == (line["Action"] == "BUY")
            assert row.verdict is not Verdict.BLOCKED
            assert row.order.signed * row.final_quantity != 0
        assert line["Quantity"] == str(abs(sum(parts.values()))) == str(life.order.quantity)
        assert life.state.final
        assert fills[ref] == life.filled
        assert (life.filled == life.order.quantity) == (life.state is OrderState.FILLED)
    sent = {line["OrderRef"] for line in sides}
    traded = {ref for line in sent for ref in netting.carried.get(line, {line: 0})}
    traded |= {ref for t in netting.transfers for ref in (t.bought, t.sold)}
    assert traded == set(evening.approval.order_refs)
    assert sent | traded == set(lives)
    for ref in traded:  # in the market and inside, each row is traded whole or told in part
        signed = audited[ref].order.action.sign * audited[ref].final_quantity
        carried = sum(parts.get(ref, 0) for parts in netting.carried.values())
        assert ref in sent or carried + netting.inside(ref) == signed


def test_fills_explain_every_position_of_the_desk(evening: demo.DemoEvening) -> None:
    before = {r.order.contract.symbol: r.order.held_before for r in _audit_rows(evening)}
    after = {c.symbol: c.desk for c in evening.result.positions}
    change = Counter[str]()
    held = Counter[str]()
    for row in _audit_rows(evening):
        held[row.order.contract.symbol] += row.order.held_before
    for life in (each for each in evening.lives if each.order.model != NET_MODEL):
        change[life.order.contract.symbol] += life.filled * life.order.action.sign

    assert before
    for symbol in held:
        assert after.get(symbol, 0) == held[symbol] + change[symbol], symbol


def _audit_rows(evening: demo.DemoEvening) -> list[AuditRow]:
    return list(run_files.read_view(evening.folder).audit.rows)


def test_the_account_differs_from_the_desk_only_where_somebody_traded_by_hand(
    evening: demo.DemoEvening,
) -> None:
    breaks = [c for c in evening.result.positions if not c.agrees]

    assert len(breaks) == 1
    assert {f.subject for f in evening.result.findings if f.code == "AC605"} == {breaks[0].symbol}


def test_the_evening_is_interesting(evening: demo.DemoEvening) -> None:
    audited = _audit_rows(evening)
    kinds = {r.order.kind for r in audited}
    codes = {f.code for r in audited for f in r.findings}

    assert {TradeKind.ENTRY, TradeKind.ROLL_CLOSE, TradeKind.ROLL_OPEN} <= kinds
    assert kinds & {TradeKind.EXIT, TradeKind.AUTO_CLOSE}
    assert "AC112" in codes, "a market has moved away from its limit"
    assert any(r.position_mismatch for r in audited), "a size differs between model and audit"
    assert codes & {"AC401", "AC415"}, "and the difference is taken apart"
    assert any(r.verdict is Verdict.BLOCKED for r in audited)
    assert len({r.order.mapped.spec.currency for r in audited}) >= 3


def test_excluded_rows_are_in_no_final_basket(evening: demo.DemoEvening) -> None:
    excluded = {
        r.order.order_ref for r in run_files.read_view(evening.folder).audit.excluded_rows()
    }
    whole = {r["OrderRef"] for r in basket_of(evening, "TWS_Basket_2026-10-26.csv")}

    assert excluded
    assert excluded < whole
    assert not excluded & set(evening.approval.order_refs)


def test_a_repeated_demo_is_the_same_demo(evening: demo.DemoEvening, tmp_path: Path) -> None:
    again = play(demo.DemoRequest(out=tmp_path / "again"))
    first = {p.name: p.read_bytes() for p in (evening.folder.path / "baskets").iterdir()}
    second = {p.name: p.read_bytes() for p in (again.folder.path / "baskets").iterdir()}

    assert again.folder.path.name == evening.folder.path.name
    assert first == second
    assert len(first) == 3
    for name in ("20-model-trades.csv", "40-audit.json", "65-fills.csv"):
        one, other = (evening.folder.path / name).read_bytes(), (again.folder.path / name)
        assert one == other.read_bytes(), name
