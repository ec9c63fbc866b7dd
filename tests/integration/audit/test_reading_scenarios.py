"""An evening's audit against a gateway in trouble: a complete report, with the right rows blocked.

Rows in are rows out in every case; what is unknown blocks what opens and is shown on what closes.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from afterclose import tws_sim
from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import Currency
from afterclose.domain.findings import Severity
from afterclose.domain.market import AnswerState, QualificationState, QuoteKind
from afterclose.domain.orders import TradeKind
from afterclose.errors import AccountMismatch
from afterclose.stages import snapshot
from integration.audit.evenings import (
    SESSION,
    TOMORROW,
    Start,
    audited,
    blocked,
    by_root,
    codes,
    four_orders,
    mapped,
    order,
)
from integration.ibkr.gateways import GatewayTime, advance, reader_of
from integration.ibkr.hurry import hurried

pytestmark = pytest.mark.anyio

ALL = {"ES", "HG", "FESX", "CL"}
OPENINGS = ALL - {"CL"}


async def evening(
    gateway: tws_sim.RunningGateway, market: tws_sim.Market, *, then: str | None = None
) -> AuditReport:
    """Audit four orders; ``then`` is the trouble that starts once the reader is connected."""
    async with reader_of(gateway) as reader, AsyncExitStack() as stack:
        if then is not None:
            await asyncio.to_thread(gateway.switch, tws_sim.Scenario.from_toml(then))
            await stack.enter_async_context(hurried(gateway))
        report = await audited(reader, gateway, four_orders(market))
    assert {r.order.contract.root for r in report.rows} == ALL
    return report


async def test_a_healthy_gateway_blocks_nothing(start: Start, everything: tws_sim.Market) -> None:
    report = await evening(start(), everything)

    assert blocked(report) == set()
    assert codes(report.rows) <= {"AC401", "AC112", "AC315", "AC109"}
    assert by_root(report)["CL"].position_before == 2


async def test_no_answer_at_all_is_a_report_with_every_row_blocked(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start(), everything, then="[connection]\nslow_answers_s = 600")

    assert blocked(report) == ALL
    assert all("AC211" in codes([row]) for row in report.rows)
    assert any(f.code == "AC502" for f in report.findings)


async def test_contract_details_without_their_end_are_no_contracts(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(
        start(), everything, then='[connection]\nmissing_end = ["contractDetails"]'
    )

    assert blocked(report) == ALL
    assert "AC211" in codes(report.rows)


async def test_positions_without_their_end_block_what_closes(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start(), everything, then='[connection]\nmissing_end = ["positions"]')

    assert blocked(report) == {"CL"}
    assert "AC304" in codes([by_root(report)["CL"]])


async def test_account_values_without_their_end_leave_openings_unsized(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(
        start(), everything, then='[connection]\nmissing_end = ["accountUpdatesMulti"]'
    )

    assert blocked(report) == OPENINGS
    assert all("AC404" in codes([by_root(report)[root]]) for root in OPENINGS)


async def test_working_orders_without_their_end_block_everything(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start(), everything, then='[connection]\nmissing_end = ["openOrders"]')

    assert blocked(report) == ALL
    assert all("AC507" in codes([row]) for row in report.rows)


async def test_162_no_data_blocks_the_entry_and_lets_the_exit_go(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start('[data]\nno_data = ["ES", "CL"]'), everything)
    rows = by_root(report)

    assert blocked(report) == {"ES"}
    assert {"AC101", "AC405"} <= codes([rows["ES"]])
    assert "AC101" in codes([rows["CL"]])
    assert rows["ES"].alert_missing_price
    assert any(f.evidence.get("code_from_gateway") == 162 for f in rows["ES"].findings)


async def test_354_no_permission_is_unknown_and_says_so(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start('[data]\nno_permission = ["HG", "CL"]'), everything)
    rows = by_root(report)

    assert blocked(report) == {"HG"}
    assert {"AC101", "AC113"} <= codes([rows["HG"]])
    assert {"AC101", "AC113"} <= codes([rows["CL"]])
    assert rows["CL"].final_order() is not None


async def test_delayed_quotes_are_used_and_named(start: Start, everything: tws_sim.Market) -> None:
    report = await evening(start('[data]\ndelayed = ["ES"]'), everything)
    quote = by_root(report)["ES"].quote

    assert blocked(report) == set()
    assert quote is not None
    assert quote.kind in {QuoteKind.DELAYED, QuoteKind.DELAYED_FROZEN}
    assert {r for r, row in by_root(report).items() if "AC116" in codes([row])} == {"ES"}


async def test_10197_a_competing_session_leaves_the_drift_unknown(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start("[data]\ncompeting_session = true"), everything)

    assert blocked(report) == set()
    assert all("AC113" in codes([row]) for row in report.rows)
    assert all(row.drift is None for row in report.rows)
    told = {f.evidence.get("code_from_gateway") for r in report.rows for f in r.findings}
    assert 10197 in told


@pytest.mark.parametrize(("scenario", "code"), [("ambiguous", "AC204"), ("unknown", "AC205")])
async def test_200_blocks_its_own_row_alone(
    start: Start, everything: tws_sim.Market, scenario: str, code: str
) -> None:
    report = await evening(start(f'[contracts]\n{scenario} = ["HG"]'), everything)

    assert blocked(report) == {"HG"}
    assert code in codes([by_root(report)["HG"]])


async def test_a_forming_bar_is_never_taken_for_the_close(
    start: Start, everything: tws_sim.Market
) -> None:
    closed = await evening(start(), everything)
    gateway = start()
    await advance(gateway, datetime(2025, 12, 2, 16, 0, tzinfo=UTC))
    report = await evening(gateway, everything)

    for root in ALL:
        before_row, row = by_root(closed)[root], by_root(report)[root]
        assert row.close == before_row.close
        assert row.close is not None
        assert row.close.session == SESSION
        assert row.forming is not None
        assert row.forming.session == TOMORROW
        assert "AC103" in codes([row])
        assert "AC103" not in codes([before_row])
    assert blocked(report) == set()


async def test_a_restart_in_the_middle_ends_in_a_report_and_blocks_what_it_did_not_read(
    start: Start, everything: tws_sim.Market
) -> None:
    report = await evening(start(), everything, then="[connection]\ndrop_after_messages = 6")

    assert blocked(report) == ALL
    assert codes(report.rows) & {"AC211", "AC101", "AC507", "AC304"}


async def test_a_gateway_that_is_gone_before_the_first_question_blocks_every_row(
    start: Start, everything: tws_sim.Market
) -> None:
    gateway = start()
    async with reader_of(gateway) as reader:
        await asyncio.to_thread(gateway.drop_connections)
        report = await audited(reader, gateway, four_orders(everything))

    assert blocked(report) == ALL


async def test_a_euro_account_is_converted_into_the_desks_currency(
    start: Start, everything: tws_sim.Market
) -> None:
    dollars = await evening(start(), everything)
    euros = await evening(start(base="EUR"), everything)
    sizing_usd = by_root(dollars)["ES"].sizing
    sizing_eur = by_root(euros)["ES"].sizing

    assert blocked(euros) == set()
    assert sizing_usd is not None
    assert sizing_eur is not None
    assert sizing_usd.capital is not None
    assert sizing_eur.capital is not None
    # The same money, told in two currencies: equal but for the gateway's rounding to cents.
    assert abs(sizing_eur.capital / sizing_usd.capital - 1) < Decimal("0.001")
    assert sizing_eur.contracts_to_trade == sizing_usd.contracts_to_trade


async def test_foreign_markets_use_the_rate_of_the_evening(
    start: Start, everything: tws_sim.Market
) -> None:
    row = by_root(await evening(start(), everything))["FESX"]
    usd_per_euro = everything.usd_per_unit("EUR", SESSION)

    assert row.sizing is not None
    assert row.sizing.fx == usd_per_euro
    assert row.sizing.point_value == 10


async def test_the_wrong_account_is_refused_before_anything_is_read(
    start: Start, everything: tws_sim.Market
) -> None:
    gateway = start()
    async with reader_of(gateway) as reader:
        with pytest.raises(AccountMismatch, match="DU7654321"):
            await snapshot.run(
                reader,
                snapshot.SnapshotRequest(
                    session=SESSION,
                    account="DU7654321",
                    contracts=tuple(o.mapped for o in four_orders(everything)),
                    sessions=25,
                    base=Currency("USD"),
                ),
                GatewayTime(gateway),
            )


async def test_a_market_that_moved_is_shown_and_goes_on_request(
    start: Start, everything: tws_sim.Market
) -> None:
    gateway = start('[data.price_shift]\nES = "2%"')
    row = by_root(await evening(gateway, everything))["ES"]
    (moved,) = [f for f in row.findings if f.code == "AC112"]

    assert moved.severity is Severity.WARN
    assert row.final_order() is not None
    assert row.quote is not None
    assert row.quote.state is AnswerState.VALUE


async def test_two_months_of_a_root_are_read_from_one_answer(
    start: Start, everything: tws_sim.Market
) -> None:
    asked = [mapped("ES", "202512"), mapped("ES", "202603"), mapped("HG", "202603")]
    async with reader_of(start()) as reader:
        together = await reader.qualify(asked)
        alone = {m.contract: (await reader.qualify([m]))[m.contract] for m in asked}

    assert together == alone
    assert {q.state for q in together.values()} == {QualificationState.FOUND}


async def test_a_month_that_the_list_does_not_show_is_asked_for_by_its_own_name(
    start: Start, everything: tws_sim.Market
) -> None:
    listed, unlisted = mapped("ES", "202512"), mapped("ES", "202511")
    async with reader_of(start()) as reader:
        answers = await reader.qualify([listed, unlisted])
        (alone,) = (await reader.qualify([unlisted])).values()

    assert answers[listed.contract].state is QualificationState.FOUND
    assert answers[unlisted.contract] == alone
    assert alone.state is QualificationState.MISSING


@pytest.mark.parametrize(
    ("scenario", "state"), [("ambiguous", "ambiguous"), ("unknown", "missing")]
)
async def test_both_legs_of_a_roll_are_blocked_where_their_root_is(
    start: Start, everything: tws_sim.Market, scenario: str, state: str
) -> None:
    legs = [mapped("CL", "202602"), mapped("CL", "202603")]
    async with reader_of(start(f'[contracts]\n{scenario} = ["CL"]')) as reader:
        answers = await reader.qualify(legs)

    assert {q.state.value for q in answers.values()} == {state}


async def test_cents_stay_cents_and_a_price_in_the_other_unit_is_blocked(
    start: Start, everything: tws_sim.Market
) -> None:
    corn = order(everything, mapped("ZC", "202603"), 2, kind=TradeKind.ENTRY)  # cents on both sides
    copper = order(everything, mapped("HG", "202603"), 2, kind=TradeKind.ENTRY)
    in_cents = copper.limit_price * 100  # as the vendor has it, and IB does not
    slipped = replace(copper, limit_price=in_cents, reference_price=in_cents)
    gateway = start()
    async with reader_of(gateway) as reader:
        report = await audited(reader, gateway, (corn, slipped))
    rows = by_root(report)

    assert blocked(report) == {"HG"}
    assert "AC105" in codes([rows["HG"]])
    assert rows["ZC"].close is not None
    assert rows["ZC"].sizing is not None
    assert rows["ZC"].sizing.point_value == 50  # 5,000 bushels, a hundredth of a dollar each
