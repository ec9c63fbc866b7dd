"""Checks of prices: the model's, the gateway's close, and where the market is now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from afterclose.domain import contract_facts
from afterclose.domain.contract_facts import LEVEL_TOLERANCE
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import QuoteKind
from afterclose.domain.orders import TradeKind
from afterclose.stages.audit.context import RowContext, deviation

#: Settlement and last trade of one session may differ by so many ticks without a word.
SETTLEMENT_TICKS = 2


def missing_price(row: RowContext) -> Iterator[Finding]:
    """AC101: there is no completed bar to compare with."""
    if row.close is None and row.qualified is not None:
        why = row.answer.text or "no bars came"
        yield row.finding(
            "AC101",
            row.weight,
            f"no completed daily bar from the gateway: {why}",
            "check the market data permission in TWS; a closing order still goes",
            code_from_gateway=row.answer.code,
        )


def stale_bar(row: RowContext) -> Iterator[Finding]:
    """AC102: the last completed bar is of an earlier session."""
    if row.close is not None and row.close.session < row.order.session:
        yield row.finding(
            "AC102",
            Severity.WARN,
            f"the last completed bar is of {row.close.session}, not of {row.order.session}",
            "a holiday on that exchange, or late data at the gateway",
        )


def forming_bar(row: RowContext) -> Iterator[Finding]:
    """AC103: the newest bar belongs to a session that goes on; it is not taken for a close."""
    if row.forming is not None:
        used = f"the close of {row.close.session} is used" if row.close else "there is no close"
        yield row.finding(
            "AC103",
            Severity.INFO,
            f"the bar of {row.forming.session} is still forming: {used}",
            "nothing to do: the drift is measured against the live market",
        )


def unit_or_level(row: RowContext) -> Iterator[Finding]:
    """AC105, AC110: a price in the wrong unit or month is far from the gateway's close."""
    if row.close is not None:
        yield from contract_facts.levels_agree(
            row.order.mapped, row.order.reference_price, row.close.close
        )


def closes_differ(row: RowContext) -> Iterator[Finding]:
    """AC104: model and gateway saw another close of the *same* session: a data question."""
    if row.close is None or row.close.session != row.order.session:
        return
    gap = abs(row.close.close - row.order.reference_price)
    share = deviation(row.close.close, row.order.reference_price)
    if gap <= SETTLEMENT_TICKS * row.spec.tick_size or share is None:
        return
    if row.max_deviation < abs(share) <= LEVEL_TOLERANCE:
        yield row.finding(
            "AC104",
            Severity.WARN,
            f"the model's close {row.order.reference_price:f} differs from the gateway's "
            f"{row.close.close:f} by {share:.2%}",
            "settlement against last trade, or a revised bar at the vendor",
        )


def drift(row: RowContext) -> Iterator[Finding]:
    """AC112, AC113: where the market is now, against the limit."""
    price = row.quote.price
    if price is None:
        if row.qualified is not None:
            yield row.finding(
                "AC113",
                Severity.WARN,
                f"no live price: {row.quote.text or 'no answer'}",
                "the drift since the close is unknown; look at the market before approving",
                code_from_gateway=row.quote.code,
            )
        return
    moved = deviation(price, row.order.limit_price)
    if moved is not None and _beyond(row, price, moved):
        yield row.finding(
            "AC112",
            Severity.WARN,
            f"the market is at {price:f}, {moved:+.2%} from the limit {row.order.limit_price:f}"
            f"{_in_moves(row, price)}",
            "the limit may not fill, or fills at once: decide whether the trade still holds",
            quote=str(price),
        )


def quote_not_live(row: RowContext) -> Iterator[Finding]:
    """AC116: the price that the limit is compared with is not of this moment."""
    kind = row.quote.kind
    if row.quote.price is not None and kind is not None and kind is not QuoteKind.LIVE:
        yield row.finding(
            "AC116",
            Severity.INFO,
            f"the quote is {kind.value}, not live",
            "the drift is of an earlier moment: look at the market before approving",
            kind=kind.value,
        )


def insufficient_volume(row: RowContext) -> Iterator[Finding]:
    """AC416, AC418: what sizing did not keep within the volume (a closing, a roll) may be much."""
    if not row.unsized or row.close is None or row.max_volume_share is None:
        return
    if row.mean_volume is None:
        yield row.finding(
            "AC418",
            Severity.WARN,
            "the volume of this contract is unknown",
            "look at it in TWS: the order was not compared with it",
        )
        return
    if row.order.quantity > row.mean_volume * row.max_volume_share:
        yield row.finding(
            "AC416",
            Severity.WARN,
            f"{row.order.quantity} contracts are more than {row.max_volume_share:.0%} of the "
            f"mean volume of {row.mean_volume:,.0f}",
            "work it in parts, or in a month that is traded more",
            mean_volume=str(row.mean_volume),
        )


def _beyond(row: RowContext, price: Decimal, moved: Decimal) -> bool:
    """Whether the drift is more than the desk allows: in daily moves where it says so."""
    if row.max_drift_moves is not None and row.daily_move:
        return abs(price - row.order.limit_price) > row.max_drift_moves * row.daily_move
    return abs(moved) > row.max_deviation


def _in_moves(row: RowContext, price: Decimal) -> str:
    if not row.daily_move:
        return ""
    return f" ({abs(price - row.order.limit_price) / row.daily_move:.1f} daily moves)"


def exit_may_not_fill(row: RowContext) -> Iterator[Finding]:
    """AC315: the market is on the far side of an exit's limit."""
    price = row.quote.price
    if price is None or not row.order.kind.closes:
        return
    short_of = (row.order.limit_price - price) * row.order.action.sign
    if short_of < 0:
        ticks = -short_of / row.spec.tick_size
        yield row.finding(
            "AC315",
            Severity.INFO,
            f"the market is at {price:f}, {ticks:.0f} ticks beyond the limit of this exit",
            "it fills only if the market comes back; basket.exit_offset_ticks reaches further",
        )


def exit_reason_gone(row: RowContext) -> Iterator[Finding]:
    """AC314: the model left because its stop was hit, and the market is back on the good side."""
    price, stop = row.quote.price, row.order.stop_level
    if price is None or stop is None or not row.order.kind.closes:
        return
    side = row.order.action.sign  # +1 buys a short back, −1 sells a long
    was_hit = (row.order.reference_price - stop) * side >= 0
    is_back = (price - stop) * side < 0
    if was_hit and is_back:
        yield row.finding(
            "AC314",
            Severity.WARN,
            f"the stop {stop:f} was hit at the close, and the market is back at {price:f}",
            "the model still leaves; exclude the row only if you mean to differ from it",
            stop=str(stop),
            quote=str(price),
        )


def stop_already_crossed(row: RowContext) -> Iterator[Finding]:
    """AC414: the market is already beyond the stop of what would be entered.

    Not asked of a roll: it keeps a position that the model has not given up.
    """
    price = row.quote.price
    if price is None or row.stop is None or not row.opens:
        return
    if row.order.kind is TradeKind.ROLL_OPEN:
        return
    if (price - row.stop) * row.order.action.sign <= 0:
        yield row.shown_on_closings(
            row.finding(
                "AC414",
                Severity.BLOCK,
                f"the market is at {price:f}, beyond the stop {row.stop:f} of this entry",
                "the entry is void at this price; let it go",
                stop=str(row.stop),
                quote=str(price),
            )
        )
