"""What stands behind one row: its sizing step by step in numbers, and the contract's facts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditRow, Sizing
from afterclose.domain.contracts import ContractSpec
from afterclose.domain.market import AnswerState
from afterclose.domain.orders import Action
from afterclose.report.terms import limit
from afterclose.report.words import (
    UNKNOWN,
    amount,
    day,
    exact,
    fixed,
    moment,
    percent,
    price,
    quantity,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the sizing: what it is, how it is worked out in numbers, and the result."""

    name: str
    working: str
    result: str


def anchor(order_ref: str) -> str:
    """Return the page anchor of an order's drawer."""
    return "o-" + re.sub(r"[^A-Za-z0-9_-]", "-", order_ref)


def sizing_steps(row: AuditRow, base: str) -> tuple[Step, ...]:
    """Walk through the sizing of one order; none when the audit did not size it."""
    if row.sizing is None:
        return ()
    return (
        *_distance_steps(row, row.sizing),
        *_money_steps(row.order.mapped.spec, row.sizing, base),
        *_count_steps(row, row.sizing, base),
    )


def _distance_steps(row: AuditRow, sizing: Sizing) -> tuple[Step, ...]:
    digits = row.order.mapped.spec.digits
    # One decimal more than the tick: mean and deviation do not live on the grid.
    finer = digits + 1
    buys = row.order.action is Action.BUY
    close = row.close.close if row.close else None
    band, mean = _price(sizing.band, finer), _price(sizing.mean, finer)
    gap = f"{_price(close, digits)} − {band}" if buys else f"{band} − {_price(close, digits)}"
    side, sign = ("Lower", "−") if buys else ("Upper", "+")
    return (
        Step(name="Mean", working=f"of the last {sizing.window} completed closes", result=mean),
        Step(
            name="σ",
            working=f"population, of the same {sizing.window} closes",
            result=_price(sizing.deviation, finer),
        ),
        Step(
            name=f"{side} band",
            working=f"{mean} {sign} {exact(sizing.width)} × {_price(sizing.deviation, finer)}",
            result=band,
        ),
        Step(
            name="Stop distance",
            working=f"{gap}, not below 0",
            result=_price(sizing.stop_distance, finer),
        ),
    )


def _money_steps(spec: ContractSpec, sizing: Sizing, base: str) -> tuple[Step, ...]:
    distance = _price(sizing.stop_distance, spec.digits + 1)
    risk, currency = amount(sizing.risk_per_contract), spec.currency
    return (
        Step(
            name="Risk per contract",
            working=f"{distance} × point value {exact(sizing.point_value)}",
            result=f"{risk} {currency}",
        ),
        Step(
            name=f"… in {base}",
            working=f"{risk} × FX {fixed(sizing.fx, 6)}",
            result=f"{amount(sizing.risk_per_contract_base)} {base}",
        ),
        Step(
            name="Risk allowed",
            working=f"{amount(sizing.capital)} × {percent(_share(sizing))}",
            result=f"{amount(sizing.max_risk)} {base}",
        ),
    )


def _count_steps(row: AuditRow, sizing: Sizing, base: str) -> tuple[Step, ...]:
    per_contract = amount(sizing.risk_per_contract_base)
    number = quantity(sizing.contracts_to_trade)
    caps = ", ".join(sizing.caps)
    return (
        Step(
            name="Contracts",
            working=f"{amount(sizing.max_risk)} ÷ {per_contract}, whole contracts"
            + (f", then capped by {caps}" if caps else ""),
            result=number,
        ),
        Step(
            name="Risk of the trade",
            working=f"{number} × {per_contract}",
            result=f"{amount(sizing.risk_per_trade)} {base}",
        ),
        *_difference(sizing),
        Step(
            name="Final quantity",
            working=f"model {quantity(row.order.model_quantity)}, "
            f"basket {quantity(row.order.quantity)}, sized {number}",
            result=quantity(row.final_quantity),
        ),
    )


def _difference(sizing: Sizing) -> tuple[Step, ...]:
    """Say why the model's size is another, cause by cause in contracts; nothing where it is not."""
    if not sizing.parts:
        return ()
    told = [
        f"{name} {fixed(part, 2, sign=True)}"
        for name, part in sizing.parts
        if name == "rest" or fixed(part, 2) != "0.00"
    ]
    total = sum((part for _, part in sizing.parts), Decimal(0))
    return (
        Step(
            name="The model's size",
            working=f"differs by {', '.join(told)}",
            result=fixed(total, 0, sign=True),
        ),
    )


def _share(sizing: Sizing) -> Decimal | None:
    if sizing.capital is None or sizing.max_risk is None or sizing.capital == 0:
        return None
    return sizing.max_risk / sizing.capital


def _price(value: Decimal | None, digits: int) -> str:
    return fixed(value, digits)


def market_facts(row: AuditRow) -> tuple[tuple[str, str], ...]:
    """List the order's prices against the market."""
    order, spec = row.order, row.order.mapped.spec
    close = f"{price(row.close.close, spec)}, {day(row.close.session)}" if row.close else UNKNOWN
    stop = price(order.stop_level, spec) if order.stop_level is not None else "none given"
    return (
        ("Limit", f"{limit(order)} {order.order_type} {order.tif}"),
        ("Goes", order.start_text),
        *((("Worked", order.worked_text),) if order.worked_text else ()),
        ("Made from", exact(order.reference_price)),
        ("Last close", close),
        ("Close against limit", percent(row.pct_diff)),
        *_quote_facts(row),
        ("Market against limit", percent(row.drift)),
        ("Model stop", stop),
    )


def _quote_facts(row: AuditRow) -> tuple[tuple[str, str], ...]:
    quote, spec = row.quote, row.order.mapped.spec
    if quote is None or quote.state is not AnswerState.VALUE:
        why = quote.text if quote is not None and quote.text else "no answer"
        return (("Quote", f"{UNKNOWN} ({why})"),)
    sides = (price(p, spec) for p in (quote.bid, quote.ask))
    last = price(quote.last, spec)
    kind = quote.kind.value if quote.kind else UNKNOWN
    return (
        ("Bid / ask", " / ".join(sides)),
        ("Last", f"{last} ({kind})"),
        ("Quoted", moment(quote.as_of)),
    )


def entry_price(row: AuditRow, account: AccountSnapshot) -> Decimal | None:
    """Return the average price of the account's position in the contract, if it holds one.

    IB's average cost is that of one whole contract: divided by the point value it is a price.
    """
    if row.qualified is None or not row.qualified.point_value:
        return None
    held = (p for p in account.positions or () if p.con_id == row.qualified.con_id and p.quantity)
    cost = next((p.average_cost for p in held), None)
    return None if cost is None else cost / row.qualified.point_value


def position_facts(row: AuditRow, sends: int, entry: Decimal | None) -> tuple[tuple[str, str], ...]:
    """List who wants the order, and what ``sends`` contracts of it do to the position."""
    order = row.order
    before = row.position_before
    after = None if before is None else before + sends * order.action.sign
    return (
        ("Model", order.model),
        ("Kind", order.kind.value + (" (catch-up)" if order.catch_up else "")),
        ("Model trades", quantity(order.model_quantity)),
        ("Desk holds for it", quantity(order.held_before)),
        ("Account before", quantity(before)),
        ("Account after", quantity(after)),
        *((("Average entry", price(entry, order.mapped.spec)),) if entry else ()),
        *_margin_facts(row),
        ("Order reference", order.order_ref),
        ("Model trade", order.trade_id),
    )


def _margin_facts(row: AuditRow) -> tuple[tuple[str, str], ...]:
    """Say what the order alone does to the margin, by the broker's what-if; none if not asked."""
    impact = row.margin
    if impact is None:
        return ()
    if impact.initial_change is None:
        return (("Margin of this order", f"{UNKNOWN} ({impact.text})"),)
    figures = f"initial {amount(impact.initial_change)}"
    if impact.maintenance_change is not None:
        figures += f", maintenance {amount(impact.maintenance_change)}"
    told = f"; TWS: {impact.warning}" if impact.warning else ""
    return (("Margin of this order", f"{figures} in the account’s base, by a what-if{told}"),)


def contract_facts(row: AuditRow) -> tuple[tuple[str, str], ...]:
    """List the facts that price and name the contract at the broker."""
    spec, answer = row.order.mapped.spec, row.qualified
    currency = spec.currency
    tick_value = None if spec.point_value is None else spec.point_value * spec.tick_size
    return (
        ("Contract", f"{spec.name}, {spec.sector}"),
        ("At IB", f"{spec.ib_symbol} {row.order.contract.month.yyyymm} on {spec.ib_exchange}"),
        ("Trading class", spec.trading_class or UNKNOWN),
        ("Local symbol", answer.local_symbol if answer else UNKNOWN),
        ("conId", str(answer.con_id) if answer else UNKNOWN),
        ("Multiplier", f"{spec.multiplier or UNKNOWN}, magnifier {spec.price_magnifier}"),
        ("Tick", f"{exact(spec.tick_size)} = {exact(tick_value)} {currency}"),
        ("Point value", f"{exact(spec.point_value)} {currency}"),
        ("Quotation", spec.quotation or UNKNOWN),
        ("IB price", f"vendor price × {exact(spec.vendor_to_ib_scale)}"),
        ("Settlement", spec.settlement.value),
        ("Last trade date", day(answer.last_trade_date) if answer else UNKNOWN),
        ("Liquid hours", _hours(row)),
    )


def _hours(row: AuditRow) -> str:
    if row.qualified is None or not row.qualified.liquid_hours:
        return UNKNOWN
    first = row.qualified.liquid_hours.split(";")[0]
    return f"{first} {row.qualified.time_zone or 'zone unknown'}"
