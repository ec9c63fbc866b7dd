"""Submit: send the approved orders, each exactly once, and follow them until they are known.

``terms`` is what a sending is asked to do. ``asking`` asks the gateway once more what each contract
is, ``turns`` says which order goes when, ``windows`` when nothing is begun, ``door`` takes the last
look at each, ``measure`` says beforehand how near its limits the evening is, ``crossing`` and
``overtaken`` look after rows that trade inside and baskets made too early, ``sending`` writes an
order's intent and sends it, ``working`` goes on with it, ``journal`` keeps what is known. ``run``
is the stage.
"""

from afterclose.stages.submit.asking import Approved, leaving, rehearse, request
from afterclose.stages.submit.door import Caller, Departure, Door, departures, needs_quote
from afterclose.stages.submit.measure import measured
from afterclose.stages.submit.overtaken import refuse_overtaken
from afterclose.stages.submit.sending import run
from afterclose.stages.submit.terms import (
    AskQuotes,
    Follow,
    Following,
    SubmitRequest,
    until_answered,
    until_final,
)
from afterclose.stages.submit.turns import in_sending_order, to_send
from afterclose.stages.submit.windows import (
    Window,
    require_clear,
    require_not_halted,
    sends_until,
    standing,
)
from afterclose.stages.submit.working import with_attempts

__all__ = [
    "Approved",
    "AskQuotes",
    "Caller",
    "Departure",
    "Door",
    "Follow",
    "Following",
    "SubmitRequest",
    "Window",
    "departures",
    "in_sending_order",
    "leaving",
    "measured",
    "needs_quote",
    "refuse_overtaken",
    "rehearse",
    "request",
    "require_clear",
    "require_not_halted",
    "run",
    "sends_until",
    "standing",
    "to_send",
    "until_answered",
    "until_final",
    "with_attempts",
]
