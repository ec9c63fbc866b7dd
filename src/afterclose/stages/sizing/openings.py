"""All opening orders of an evening: each sized, explained, then kept within the common limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import BasketOrder, TradeKind
from afterclose.stages.sizing.core import Sized, SizingInput, SizingRules, cut_by_caps, size
from afterclose.stages.sizing.explain import ModelSize
from afterclose.stages.sizing.together import OpeningRisk, RiskLimits, within_limits

#: Kinds that are sized; closings and roll legs follow what is held.
SIZED_KINDS = frozenset({TradeKind.ENTRY, TradeKind.ADD, TradeKind.REVERSAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMoney:
    """What one model sizes with: money at risk per trade, in the account's size.

    ``scale`` is account contracts per model contract; ``native`` says that the model takes every
    point value for money of the base currency.
    """

    budget: Decimal
    scale: Decimal = Decimal(1)
    native: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What there is to size from, and the fractions of it that openings may lose together."""

    capital: Decimal | None
    sector_fraction: Decimal | None = None
    total_fraction: Decimal | None = None

    def limits(self) -> RiskLimits:
        """Return the limits in money; without capital nothing is sized, so there are none."""

        def part(fraction: Decimal | None) -> Decimal | None:
            return None if fraction is None or self.capital is None else fraction * self.capital

        return RiskLimits(sector=part(self.sector_fraction), total=part(self.total_fraction))


def size_all(
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    money: Money,
    rules: SizingRules,
    models: Mapping[str, ModelMoney],
) -> Mapping[str, Sized]:
    """Size every order that opens, keyed by order reference. Pure."""
    sized: dict[str, Sized] = {}
    risks: list[OpeningRisk] = []
    inputs: dict[str, SizingInput] = {}
    for order in orders:
        if order.kind not in SIZED_KINDS:
            continue
        wanted = _input(order, live, money, rules, models.get(order.model))
        result = size(wanted, rules)
        sized[order.order_ref], inputs[order.order_ref] = result, wanted
        risk = result.sizing.risk_per_contract_base
        if risk is not None:
            opening = max(0, result.quantity - wanted.closing)
            sector = order.mapped.spec.sector
            risks.append(
                OpeningRisk(order_ref=order.order_ref, sector=sector, quantity=opening, risk=risk)
            )
    for ref, kept in within_limits(risks, money.limits()).items():
        if kept.caps:
            sized[ref] = _cut(sized[ref], inputs[ref], kept)
    return sized


def _cut(sized: Sized, wanted: SizingInput, kept: OpeningRisk) -> Sized:
    quantity = wanted.closing + kept.quantity
    finding = cut_by_caps(wanted.subject, quantity, kept.caps)
    caps = (*sized.sizing.caps, *kept.caps)
    return replace(
        sized,
        quantity=quantity,
        sizing=replace(sized.sizing, caps=caps),
        findings=(*sized.findings, finding),
    )


def _input(
    order: BasketOrder,
    live: MarketSnapshot,
    money: Money,
    rules: SizingRules,
    model: ModelMoney | None,
) -> SizingInput:
    answer, qualified = live.bars.get(order.contract), live.qualified(order.contract)
    currency = order.mapped.spec.currency
    held = order.held_before * order.action.sign
    wanted = SizingInput(
        subject=order.contract.symbol,
        root=order.contract.root,
        action=order.action,
        quantity=order.quantity,
        closing=max(0, -held) if order.kind is TradeKind.REVERSAL else 0,
        held=max(0, held) if order.kind is TradeKind.ENTRY else 0,
        bars=() if answer is None else answer.completed(live.session),
        point_value=None if qualified is None else qualified.point_value,
        fx=live.fx.rate(currency),
        currency=currency,
        capital=money.capital,
    )
    if model is None or order.kind is TradeKind.ADD:  # an addition has no size of its own
        return wanted
    return replace(wanted, model=_model_size(order, wanted, rules, model))


def _model_size(
    order: BasketOrder, wanted: SizingInput, rules: SizingRules, model: ModelMoney
) -> ModelSize:
    stop = order.stop_level
    distance = None if stop is None else (order.reference_price - stop) * order.action.sign
    volumes = [b.volume for b in wanted.bars[-rules.window :] if b.volume >= 0]
    mean = sum(volumes, Decimal(0)) / len(volumes) if volumes else None
    return ModelSize(
        quantity=wanted.opening + wanted.held,
        budget=model.budget,
        scale=model.scale,
        stop_distance=distance if distance is not None and distance > 0 else None,
        fx=Decimal(1) if model.native else None,
        volume_cap=None if mean is None else mean * rules.max_volume_share,
    )
