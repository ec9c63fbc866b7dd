"""Freshness: a late market blocks itself; too many late ones block the evening."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.domain.contracts import Currency, FuturesContract, RootSymbol
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import VendorContract
from afterclose.errors import StaleBars, UsageError
from afterclose.stages import update
from make import SESSION, codes, make_finding, severities

D = Decimal


@dataclass
class Market:
    """A store of four markets, some of them late."""

    newest: date = SESSION
    late_roots: tuple[str, ...] = ()
    holiday_roots: tuple[str, ...] = ()
    path: Path = field(default=Path("store"))
    source: str = "made up"
    fingerprint: str = "f00d"

    def roots(self) -> Sequence[str]:
        return ("CL", "ES", "NQ", "ZN")

    def last_session(self) -> date:
        return self.newest

    def late(self, session: date) -> Mapping[str, Finding]:
        assert session == SESSION
        return {r: make_finding(code="AC107", subject=r) for r in self.late_roots}

    def no_close(self, session: date) -> Mapping[str, Finding]:
        assert session == SESSION
        return {r: make_finding(code="AC137", subject=r) for r in self.holiday_roots}

    def quality(
        self, contracts: Collection[FuturesContract], session: date
    ) -> Mapping[RootSymbol, tuple[Finding, ...]]:
        raise NotImplementedError(f"nobody asks for {contracts} on {session}")

    def revised(self, session: date) -> Mapping[str, Finding]:
        raise NotImplementedError(f"nobody asks for {session}")

    def last_close(self, contract: FuturesContract, session: date) -> Decimal | None:
        raise NotImplementedError(f"nobody asks for {contract} on {session}")

    def daily_move(self, contract: FuturesContract, session: date) -> Decimal | None:
        raise NotImplementedError(f"nobody asks for {contract} on {session}")

    def rate(self, currency: Currency, base: Currency, session: date) -> Decimal | None:
        raise NotImplementedError(f"nobody asks for {currency} in {base} on {session}")

    def vendor_contract(self, contract: FuturesContract) -> VendorContract | None:
        raise NotImplementedError(f"nobody asks for {contract}")


def test_a_store_that_ends_before_tonight_stops_the_evening() -> None:
    with pytest.raises(StaleBars, match="2026-11-18") as raised:
        update.run(Market(newest=SESSION - timedelta(days=1), late_roots=("ES",)), SESSION)
    assert "afterclose update" in raised.value.hint


def test_an_evening_on_which_every_exchange_of_the_desk_was_closed_is_told_as_that() -> None:
    with pytest.raises(StaleBars, match="their exchanges were closed") as raised:
        update.run(Market(newest=SESSION - timedelta(days=1)), SESSION)
    assert "nothing is missing" in raised.value.hint


def test_a_store_beyond_tonight_can_replay_it() -> None:
    fresh = update.run(Market(newest=SESSION + timedelta(days=5)), SESSION)

    assert (fresh.session, fresh.fingerprint, fresh.roots) == (SESSION, "f00d", 4)


def test_a_late_market_is_named_and_the_others_go_on() -> None:
    fresh = update.run(Market(late_roots=("CL",)), SESSION)
    findings = update.evening_findings(fresh, max_late_share=D("0.25"))

    assert fresh.late_share == D("0.25")
    assert [(f.code, f.subject) for f in findings] == [("AC107", "CL")]


def test_more_late_markets_than_allowed_block_the_evening() -> None:
    fresh = update.run(Market(late_roots=("CL", "ES")), SESSION)
    findings = update.evening_findings(fresh, max_late_share=D("0.25"))

    assert codes(findings) == ["AC107", "AC107", "AC108"]
    assert severities(findings)["AC108"] is Severity.BLOCK


def test_a_store_without_markets_is_all_late() -> None:
    empty = update.Freshness(session=SESSION, fingerprint="", roots=0, late={})

    assert codes(update.blocking(empty, max_late_share=D("0.25"))) == ["AC108"]


def test_a_store_that_nobody_updated_for_weeks_is_no_holiday() -> None:
    """After a month its markets count as ended, and none of them owes a bar."""
    with pytest.raises(StaleBars, match="the market data ends on") as caught:
        update.run(Market(newest=SESSION - timedelta(days=90)), SESSION)

    assert "afterclose update" in caught.value.hint


def test_an_evening_that_has_not_come_is_refused() -> None:
    tomorrow = SESSION + timedelta(days=3)
    with pytest.raises(UsageError, match=f"{tomorrow} is not over.* is {SESSION}") as caught:
        update.require_closed(Market(), tomorrow, SESSION)

    assert f"--session {SESSION}" in caught.value.hint


def test_a_rehearsal_may_be_as_far_ahead_of_the_calendar_as_its_bars() -> None:
    tomorrow = SESSION + timedelta(days=3)
    update.require_closed(Market(newest=tomorrow), tomorrow, SESSION)
    update.require_closed(Market(newest=SESSION), SESSION, SESSION - timedelta(days=1))


def test_markets_without_a_close_on_a_holiday_are_said_and_block_no_evening() -> None:
    fresh = update.run(Market(late_roots=("CL",), holiday_roots=("ES", "NQ", "ZN")), SESSION)

    assert fresh.late_share == D("0.25")
    assert codes(update.evening_findings(fresh, max_late_share=D("0.25"))) == [
        "AC107", "AC137", "AC137", "AC137",
    ]  # fmt: skip
    assert sorted(fresh.without_bar) == ["CL", "ES", "NQ", "ZN"]  # the openings of all of them wait
