"""How and when an order goes: its type, its start, how its limit is worked, what a lone leg does.

All of it is part of the order, so that it is shown before the approval and bound by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OrderType(StrEnum):
    """Order types of this desk. ADAPTIVE and VWAP are IB's algorithms around the limit."""

    LMT = "LMT"
    MKT = "MKT"
    MOC = "MOC"
    ADAPTIVE = "ADAPTIVE"
    VWAP = "VWAP"

    @property
    def at_market(self) -> bool:
        """Whether no limit bounds the price."""
        return self in {OrderType.MKT, OrderType.MOC}

    @property
    def named_by_contract(self) -> str:
        """The word in the contract's own order types without which it takes none of these."""
        return {OrderType.MOC: "MOC", OrderType.ADAPTIVE: "ALGO", OrderType.VWAP: "ALGO"}.get(
            self, ""
        )


def at_market(order_type: str) -> bool:
    """Whether orders of this type go without a limit. A type that is none of ours has one."""
    return order_type.upper() in {OrderType.MKT, OrderType.MOC}


class StartWhen(StrEnum):
    """When an order may begin to trade, by market."""

    #: At once, in whatever session is open; at the open where the market is closed.
    NOW = "now"
    #: When the next session opens, also where this one still trades.
    NEXT_OPEN = "next_open"
    #: When the next day session (IB's liquid hours) begins.
    DAY_SESSION = "day_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """A limit that may be worked: so many ticks towards the market, at most so often.

    Each step cancels the order, waits for the proof, and sends what is left under a new name.
    """

    ticks: int
    times: int
    every_s: float


class LoneLeg(StrEnum):
    """What happens to the other leg when one of a roll has been filled alone for too long."""

    #: It is said, loudly and again; the order goes on waiting.
    TELL = "tell"
    #: What is left of the waiting leg is cancelled.
    CANCEL = "cancel"
    #: … and goes at the market under a new name.
    MARKET = "market"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegLimit:
    """How long one leg of a roll may be filled alone, in seconds, and what happens then."""

    alone_s: float
    then: LoneLeg
