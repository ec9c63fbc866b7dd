"""Sizing: how many contracts an opening order may have, by the risk to its stop.

``core`` sizes one order and ``openings`` all of an evening; ``explain`` says why the model wanted
another number; ``together`` keeps all openings within the limits per sector and in total. All pure.
"""

from afterclose.stages.sizing.core import (
    Policy,
    Sized,
    SizingInput,
    SizingRules,
    cut_by_caps,
    mean_and_deviation,
    size,
)
from afterclose.stages.sizing.explain import ModelSize, explain
from afterclose.stages.sizing.openings import SIZED_KINDS, ModelMoney, Money, size_all
from afterclose.stages.sizing.together import OpeningRisk, RiskLimits, within_limits

__all__ = [
    "SIZED_KINDS",
    "ModelMoney",
    "ModelSize",
    "Money",
    "OpeningRisk",
    "Policy",
    "RiskLimits",
    "Sized",
    "SizingInput",
    "SizingRules",
    "cut_by_caps",
    "explain",
    "mean_and_deviation",
    "size",
    "size_all",
    "within_limits",
]
