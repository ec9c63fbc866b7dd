"""Checks of the contract itself: is it the one that was meant, and can it still be traded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from afterclose.domain import contract_facts
from afterclose.domain.contracts import Settlement
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import Action
from afterclose.stages.audit.context import RowContext
from afterclose.stages.audit.hours import Opening, opening_on

#: IB closes out positions in deliverable futures, and refuses to open them, from about two
#: business days before first notice (longs) and before the last trade (shorts).
CLOSE_OUT_DAYS = 2
#: No root gives notice earlier than ten business days before its delivery month (cocoa does then).
EARLIEST_NOTICE_DAYS = 10
_FRIDAY = 4


def contract_not_named(row: RowContext) -> Iterator[Finding]:
    """AC204, AC205, AC211: exactly one contract must answer to the name."""
    yield from contract_facts.named_once(row.order.mapped, row.qualification)


def facts_differ(row: RowContext) -> Iterator[Finding]:
    """AC206: the desk's facts and the gateway's must be the same, or prices mean other money."""
    if row.qualified is not None:
        yield from contract_facts.facts_agree(row.order.mapped, row.qualified)


def last_trade_unusual(row: RowContext) -> Iterator[Finding]:
    """AC214: the last trade falls into another month than is usual for the root."""
    if row.qualified is not None:
        yield from contract_facts.last_trade_fits(row.order.mapped, row.qualified)


def point_value_differs(row: RowContext) -> Iterator[Finding]:
    """AC215: the models count with another point value than the account will."""
    for finding in contract_facts.point_values_agree(row.order.mapped, row.vendor):
        yield row.shown_on_closings(finding)


def off_tick(row: RowContext) -> Iterator[Finding]:
    """AC207: IB refuses (110) a price that is not a multiple of the tick."""
    if row.qualified and row.order.limit_price % row.qualified.tick_size:
        yield row.finding(
            "AC207",
            Severity.BLOCK,
            f"the limit {row.order.limit_price:f} is not on the tick {row.qualified.tick_size:f}",
            "correct the tick of the root in the mapping workbook",
        )


def expired(row: RowContext) -> Iterator[Finding]:
    """AC212: the contract's last trading day is over before the order could work."""
    last = row.qualified.last_trade_date if row.qualified else None
    if last is not None and last < row.execute_on:
        yield row.finding(
            "AC212",
            Severity.BLOCK,
            f"the last trading day was {last}, the order is for {row.execute_on}",
            "the model holds an expired contract: look at its data and its auto-close date",
        )


def last_trade_unknown(row: RowContext) -> Iterator[Finding]:
    """AC218: expiry and close-out cannot be judged."""
    if row.qualified is not None and row.last_trade is None:
        yield row.finding(
            "AC218",
            Severity.WARN,
            "nobody told the last trading day of this contract",
            "look it up at the exchange: expiry and IB's close-out window were not checked",
        )


def vendor_unknown(row: RowContext) -> Iterator[Finding]:
    """AC219: the vendor does not list what its own model trades."""
    told = row.vendor is not None and row.vendor.point_value is not None
    if row.vendor_asked and not told:
        yield row.finding(
            "AC219",
            Severity.INFO,
            "the data vendor told no point value of this contract: it was not compared",
            "compare the model's point value with TWS's contract description once",
        )


def in_close_out_window(row: RowContext) -> Iterator[Finding]:
    """AC216: IB refuses (201) to open a deliverable contract so near to its delivery.

    Longs are in danger from first notice on, shorts from the last trade on.
    """
    limit = _delivery_limit(row)
    if limit is None or not row.opens or row.spec.settlement is not Settlement.PHYSICAL:
        return
    from_day = weekdays_before(limit, CLOSE_OUT_DAYS)
    if row.execute_on >= from_day:
        side = "long" if row.order.action is Action.BUY else "short"
        yield row.shown_on_closings(
            row.finding(
                "AC216",
                Severity.BLOCK,
                f"a {side} position is closed out by IB from {from_day} on, "
                f"{CLOSE_OUT_DAYS} business days before {limit}",
                "trade the next delivery month; the model's auto-close date may be late",
                closed_out_from=from_day.isoformat(),
            )
        )


def _delivery_limit(row: RowContext) -> date | None:
    """First notice or last trade, whichever ends the side that is opened; None where unknown."""
    ends = [] if row.last_trade is None else [row.last_trade]
    if row.order.action is Action.BUY and row.vendor and row.vendor.first_notice:
        ends.append(row.vendor.first_notice)
    return min(ends, default=None)


def first_notice_unknown(row: RowContext) -> Iterator[Finding]:
    """AC217: a long in a deliverable contract near delivery, and nobody told its first notice.

    The gateway does not tell first notice; a vendor that lists the contract without one says that
    there is none.
    """
    deliverable = row.spec.settlement is Settlement.PHYSICAL
    if not deliverable or not row.opens or row.order.action is Action.SELL or row.vendor:
        return
    month = row.order.contract.month
    earliest = weekdays_before(date(month.year, month.month, 1), EARLIEST_NOTICE_DAYS)
    if row.execute_on >= weekdays_before(earliest, CLOSE_OUT_DAYS):
        yield row.finding(
            "AC217",
            Severity.WARN,
            f"first notice of {row.order.contract.symbol} is unknown and may be near",
            "look it up at the exchange: from two business days before, IB closes longs out",
        )


def weekdays_before(day: date, count: int) -> date:
    """Go back over weekdays. Holidays are not known here, so the answer may be a day late."""
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() <= _FRIDAY
    return day


def market_closed(row: RowContext) -> Iterator[Finding]:
    """AC114, AC115: the market must be open in the session the order is for."""
    if row.qualified is None:
        return
    opening = opening_on(row.qualified.trading_hours, row.execute_on)
    if opening is Opening.CLOSED:
        yield row.finding(
            "AC114",
            row.weight,
            f"the exchange is closed on {row.execute_on}, by the gateway's trading hours",
            "the order would wait for the session after: trade it on that evening",
        )
    elif opening is Opening.UNKNOWN:
        yield row.finding(
            "AC115",
            Severity.INFO,
            f"the gateway did not tell the trading hours of {row.execute_on}",
            "if the exchange has a holiday, the order waits for the session after",
        )
