"""What a model may say to the desk, and ask of it. Under plain Zipline it says so to nobody.

A model runs under our engine or under ``zipline.run_algorithm``, unchanged. The engine leaves three
things on ``context`` before ``initialize``: ``parameters``, ``exchange_rate`` and ``order_notes``.
Without the engine there are defaults, and point values count as dollars, as Zipline takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why an order was placed, as the audit shows it."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    STOP = "STOP"
    ROLL = "ROLL"


@dataclass(frozen=True, slots=True)
class OrderNote:
    """What a model says of one of its orders. ``stop_level`` is in the price of the contract."""

    reason: str
    stop_level: float | None = None


def parameter(context: Any, name: str, default: Any) -> Any:
    """A setting of this run, or the model's own value."""
    parameters: Mapping[str, Any] = getattr(context, "parameters", {})
    return parameters.get(name, default)


def point_value(context: Any, contract: Any) -> float:
    """Account money for a move of 1.0 in the price of a contract, at today's exchange rate.

    NaN when no rate is known: no size can be computed then.
    """
    exchange_rate = getattr(context, "exchange_rate", None)
    rate = 1.0 if exchange_rate is None else float(exchange_rate(contract))
    return float(contract.price_multiplier) * rate


def note(
    context: Any, order_id: str | None, reason: str, *, stop_level: float | None = None
) -> None:
    """Say why an order was placed. An order that Zipline did not take (no id) needs no reason."""
    if order_id is None:
        return
    if not hasattr(context, "order_notes"):
        context.order_notes = {}
    context.order_notes[order_id] = OrderNote(str(reason), stop_level)
