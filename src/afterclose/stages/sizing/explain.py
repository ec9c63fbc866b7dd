"""Why the model's size and the audit's differ: the difference, split into its causes.

Both sizes are ``budget / (stop distance × point value × rate)``. The audit's inputs are replaced by
the model's one after the other, and each cause is what its step changed, in contracts:

1. *capital*: the model's portfolio value and risk factor instead of the account's;
2. *sigma*: the sample standard deviation (n − 1) of the models instead of the population's;
3. *prices*: the model's own stop distance, on its adjusted series;
4. *rate*: the model's exchange rate (1 where point values count as dollars);
5. *rounding* to whole contracts, and of the desk's scale;
6. *caps*: the share of the mean volume that the models keep to;
7. *rest*: what nothing above explains. Only the rest asks for a person.

The parts add up to the difference exactly. A cause that is unknown (a model that tells no stop) is
left out, and what it would have explained stays in the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from afterclose.domain.audit import Sizing

#: A model counts in floats and has its own exchange rate: so near to a whole contract, both
#: numbers are explained.
NEARNESS = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """What the model sized with.

    ``quantity`` is what it wants, in account contracts, ``scale`` account contracts per model
    contract. ``budget`` is money at risk per trade in the account, in base currency;
    ``stop_distance`` in IB price units, None where the model does not tell; ``fx`` its rate, None
    where it is the audit's; ``volume_cap`` in contracts.
    """

    quantity: int
    budget: Decimal
    scale: Decimal = Decimal(1)
    stop_distance: Decimal | None = None
    fx: Decimal | None = None
    volume_cap: Decimal | None = None


Parts = tuple[tuple[str, Decimal], ...]


def explain(sizing: Sizing, model: ModelSize) -> Parts:
    """Split ``model.quantity − sizing.contracts_to_trade``; empty where the audit has no size."""
    audited, risk = sizing.contracts_to_trade, sizing.risk_per_contract_base
    if audited is None or not risk or not sizing.stop_distance or sizing.max_risk is None:
        return ()
    exact = [max(Decimal(0), sizing.max_risk) / risk, model.budget / risk]
    names = ["capital", "sigma", "prices", "rate"]
    per_distance = risk / sizing.stop_distance
    distance = _sample_distance(sizing)
    exact.append(_ratio(model.budget, distance * per_distance))
    distance = model.stop_distance or distance
    exact.append(_ratio(model.budget, distance * per_distance))
    rate = Decimal(1) if model.fx is None or not sizing.fx else sizing.fx / model.fx
    exact.append(exact[-1] * rate)
    parts = [
        (name, after - before) for name, before, after in zip(names, exact, exact[1:], strict=False)
    ]
    return (*parts, *_whole(audited, exact[0], exact[-1], model))


def _ratio(budget: Decimal, risk: Decimal) -> Decimal:
    return budget / risk if risk > 0 else Decimal(0)


def _sample_distance(sizing: Sizing) -> Decimal:
    """Return the stop distance had the deviation been the sample's."""
    deviation, distance = sizing.deviation or Decimal(0), sizing.stop_distance or Decimal(0)
    n = Decimal(sizing.window)
    sample = deviation * (n / (n - 1)).sqrt()
    return distance + sizing.width * (sample - deviation)


def _whole(audited: int, start: Decimal, end: Decimal, model: ModelSize) -> Parts:
    """From exact numbers to whole contracts: rounding, caps and what is left."""
    predicted = _scaled_floor(end, model.scale)
    capped = predicted
    if model.volume_cap is not None:
        capped = min(predicted, _scaled_floor(model.volume_cap * model.scale, model.scale))
    low, high = (_scaled_floor(end * (1 + s * NEARNESS), model.scale) for s in (-1, 1))
    if capped == predicted and low <= model.quantity <= high:
        predicted = capped = model.quantity
    rounding = (predicted - end) - (audited - start)
    return (
        ("rounding", rounding),
        ("caps", Decimal(capped - predicted)),
        ("rest", Decimal(model.quantity - capped)),
    )


def _scaled_floor(contracts: Decimal, scale: Decimal) -> int:
    """Round as it happens: to whole model contracts, then to whole account contracts."""
    of_model = (contracts / scale).to_integral_value(rounding=ROUND_DOWN)
    return int((of_model * scale).to_integral_value(rounding=ROUND_DOWN))


def parts_text(parts: Parts) -> str:
    """Write the causes that matter, in contracts: ``capital −1.2, sigma +0.3``."""
    told = [f"{name} {part:+.1f}" for name, part in parts if abs(part) >= Decimal("0.05")]
    return ", ".join(told).replace("-", "−")
