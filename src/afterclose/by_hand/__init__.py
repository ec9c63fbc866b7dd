"""Beside the evening, with the same journal and gate: halt, flatten, roll, a word."""

from afterclose.by_hand.flattening import (
    Flattened,
    FlattenRequest,
    Survey,
    carry_out,
    preview,
    survey,
)
from afterclose.by_hand.words import cancel_ours, halt, lift, settle_unknown

__all__ = [
    "FlattenRequest",
    "Flattened",
    "Survey",
    "cancel_ours",
    "carry_out",
    "halt",
    "lift",
    "preview",
    "settle_unknown",
    "survey",
]
