"""What fills cost: the desk's rules as Zipline's models, and a clear word where Zipline has none.

Zipline's ``PerContract`` takes ``exchange_fee`` once per *order*, however many contracts it fills.
Exchanges take theirs per contract, so that is what the desk's own rule does unless it is told to
count as Zipline does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zipline.assets import Future
from zipline.finance import commission, slippage

from afterclose.domain.runs import CommissionRule, FeePer, SlippageName, SlippageRule
from afterclose.errors import ModelError


def set_costs(
    blotter: Any,
    roots: Iterable[str],
    commission_rule: CommissionRule | None,
    slippage_rule: SlippageRule | None,
) -> None:
    """Put the desk's rules in place of the model's own, once its ``initialize`` has run.

    Without a rule the model's own stay; where it has none either, Zipline's default does, which
    knows the fees of some American roots only and now says so.
    """
    models = blotter.commission_models
    if commission_rule is not None:
        models[Future] = commission_model(commission_rule, roots)
    elif _is_default(models[Future]):
        models[Future] = DefaultCommission()
    if slippage_rule is not None:
        blotter.slippage_models[Future] = slippage_model(slippage_rule)


def commission_model(rule: CommissionRule, roots: Iterable[str]) -> Any:
    """Zipline's ``PerContract`` for a rule."""
    per_contract = rule.fee_per is FeePer.CONTRACT
    fee = rule.exchange_fee if per_contract else 0.0
    return commission.PerContract(
        cost={root: rule.by_root.get(root, rule.per_contract) + fee for root in roots},
        exchange_fee=0.0 if per_contract else rule.exchange_fee,
    )


def slippage_model(rule: SlippageRule) -> Any:
    """Zipline's slippage model for a rule."""
    if rule.model is SlippageName.VOLATILITY:
        return slippage.VolatilityVolumeShare(volume_limit=rule.volume_limit)
    if rule.model is SlippageName.VOLUME:
        return slippage.VolumeShareSlippage(
            volume_limit=rule.volume_limit, price_impact=rule.price_impact
        )
    if rule.model is SlippageName.BASIS_POINTS:
        return slippage.FixedBasisPointsSlippage(
            basis_points=rule.basis_points, volume_limit=rule.volume_limit
        )
    if rule.model is SlippageName.FIXED:
        return slippage.FixedSlippage(spread=rule.spread)
    return slippage.NoSlippage()


def _is_default(model: Any) -> bool:
    """Whether a model never set a commission: Zipline's own table of fees is still in place."""
    return (
        type(model) is commission.PerContract
        and model._exchange_fee == commission.FUTURE_EXCHANGE_FEES_BY_SYMBOL  # noqa: SLF001 - it has no public face
    )


class DefaultCommission(commission.PerContract):  # type: ignore[misc]  # Zipline is untyped
    """Zipline's default for futures, which says what to do where it knows no fee."""

    def __init__(self) -> None:
        super().__init__(
            cost=commission.DEFAULT_PER_CONTRACT_COST,
            exchange_fee=commission.FUTURE_EXCHANGE_FEES_BY_SYMBOL,
        )

    def calculate(self, order: Any, transaction: Any) -> float:
        """What a fill costs. Raises ModelError for a root without a fee."""
        root = order.asset.root_symbol
        if root not in self._exchange_fee:
            raise ModelError(
                f"the model sets no commission, and Zipline's default knows no exchange fee "
                f"for {root}",
                hint="call set_commission(us_futures=PerContract(cost=…, exchange_fee=…)) in "
                "initialize, or set [engine.commission] in the settings",
            )
        cost: float = super().calculate(order, transaction)
        return cost
