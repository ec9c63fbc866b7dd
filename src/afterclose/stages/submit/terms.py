"""What a sending is asked to do: its orders, all that they need, and how long they are followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from afterclose.domain.contracts import FuturesContract, QualifiedContract
from afterclose.domain.market import Quote
from afterclose.domain.netting import Netting
from afterclose.domain.orders import BasketOrder
from afterclose.stages.submit.door import Door

#: Asks for the market of contracts at this moment.
AskQuotes = Callable[[Collection[QualifiedContract]], Awaitable[Mapping[FuturesContract, Quote]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """The approved orders and what it takes to send them.

    ``door`` is the last look at each; ``quotes`` asks for its market at that moment. ``parts``
    says whose positions an order of the whole desk closes (``Ledger.record_orders``).
    """

    run_id: str
    orders: Sequence[BasketOrder]
    qualified: Mapping[FuturesContract, QualifiedContract]
    #: How long an order may stay without any word before the book is asked for it.
    answer_timeout_s: float = 30.0
    door: Door = field(default_factory=Door)
    quotes: AskQuotes | None = None
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: From this moment on no further order is begun: the gateway restarts. None: it does not.
    sends_until: datetime | None = None
    #: Until when orders may be gone on with under a further attempt; None: nothing is worked.
    approved_until: datetime | None = None
    #: How approved rows became these orders, where some carry several or crossed inside.
    netting: Netting = field(default_factory=Netting)
    #: Whether anything may be sent; without it what is at the broker is followed alone.
    sends: bool = True


class Following(Protocol):
    """What a follower may wait for."""

    async def final(self) -> None:
        """Wait until nothing more can happen to any order, or the line is broken."""


#: Returns when following shall end.
Follow = Callable[[Following], Awaitable[None]]


async def until_answered(_orders: Following) -> None:
    """Do not follow: the next sweep tells."""


async def until_final(orders: Following) -> None:
    """Follow until nothing more can happen to any order."""
    await orders.final()
