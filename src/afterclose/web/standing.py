"""Where an evening stands for the person at the screen, as a pure function of what is on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.findings import Verdict
from afterclose.domain.netting import Netting
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, BasketOrder, OrderState
from afterclose.domain.runs import RunManifest, RunState
from afterclose.domain.sending import Halt
from afterclose.stages.review import orders_going
from afterclose.web.notes import Note, cancels_asked, excluded, last_trouble


class Phase(StrEnum):
    """What a person can do now."""

    NO_TRADES = "no trades"
    BLOCKED = "blocked"
    UNDECIDED = "to be decided"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "approval expired"
    VOID = "approval void"
    FOLLOWED = "orders followed"
    LEFT = "orders not followed"
    DONE = "orders final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything on record about one evening.

    ``followed``: this page sends or listens; ``connected``: and the gateway is on the line.
    """

    manifest: RunManifest
    audit: AuditReport
    digest: str
    approval: Approval | None
    lives: Mapping[str, OrderLife]
    notes: tuple[Note, ...]
    account: str
    now: datetime
    followed: bool = False
    connected: bool = False
    halted: Halt | None = None
    #: Which of the session's orders carry which rows; ``lives`` has the rows' as well.
    netting: Netting = field(default_factory=Netting)
    #: How many things were ever seen of the session's orders, and when the last of them.
    heard: int = 0
    last_heard: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The evening for the person at the screen.

    ``going`` is what a yes would send now, ``flagged`` which of it carries warnings; ``orders`` are
    those that left, with those of the approval that did not.
    """

    phase: Phase
    records: Records
    choices: Mapping[str, Note]
    going: tuple[BasketOrder, ...]
    flagged: tuple[AuditRow, ...]
    orders: tuple[OrderLife, ...]
    counts: Mapping[OrderState, int]

    @property
    def clear(self) -> tuple[BasketOrder, ...]:
        """The orders that go and carry no warning."""
        looked_at = {row.order.order_ref for row in self.flagged}
        return tuple(o for o in self.going if o.order_ref not in looked_at)

    @property
    def decided(self) -> bool:
        """Whether a yes stands, or stood until its orders left."""
        return self.phase not in {Phase.UNDECIDED, Phase.REJECTED, Phase.BLOCKED, Phase.NO_TRADES}

    @property
    def open_to_decision(self) -> bool:
        """Whether a yes or a no can be said now."""
        return self.phase in {Phase.UNDECIDED, Phase.REJECTED, Phase.VOID}

    @property
    def working(self) -> tuple[OrderLife, ...]:
        """Orders that were sent and are not over."""
        return tuple(o for o in self.orders if _sent(o) and not o.state.final)

    @property
    def waiting(self) -> int:
        """Approved orders that were never sent."""
        return sum(1 for o in self.orders if not _sent(o))

    @property
    def trouble(self) -> Note | None:
        """What went wrong since somebody last did something."""
        return last_trouble(self.records.notes)

    @property
    def cancels(self) -> Mapping[str, Note]:
        """Orders whose cancellation was asked for."""
        return cancels_asked(self.records.notes)

    @property
    def version(self) -> Version:
        """Name of this state of affairs: a form made from another one is refused, in words."""
        approval = self.records.approval
        said = "" if approval is None else f"{approval.at.isoformat()} {approval.reviewer}"
        return Version(
            shown=self.records.digest[:16], decision=_short(said), choices=_short(*self.choices)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a person had before his eyes when he pressed: the evening, the decision, the choices."""

    shown: str
    decision: str
    choices: str

    def __str__(self) -> str:
        return f"{self.shown}.{self.decision}.{self.choices}"

    @classmethod
    def read(cls, text: str) -> Version:
        """Read what ``str`` wrote; what is no version equals none."""
        shown, _, rest = text.partition(".")
        decision, _, choices = rest.partition(".")
        return cls(shown=shown, decision=decision, choices=choices)


def _short(*texts: str) -> str:
    return sha256(" ".join(sorted(texts)).encode()).hexdigest()[:12]


def standing(records: Records) -> Standing:
    """Work out where the evening stands."""
    choices = excluded(records.notes, records.digest)
    going = orders_going(records.audit, frozenset(choices))
    refs = {o.order_ref for o in going}
    flagged = [r for r in records.audit.rows if r.order.order_ref in refs]
    orders = _orders(records)
    return Standing(
        phase=_phase(records, orders),
        records=records,
        choices=choices,
        going=going,
        flagged=tuple(r for r in flagged if r.verdict is Verdict.LOOK),
        orders=orders,
        counts=Counter(o.state for o in orders),
    )


def _orders(records: Records) -> tuple[OrderLife, ...]:
    """The lives of this evening's orders: those approved, and those that ever left.

    Rows that an order carries are shown by it.
    """
    approved = set(records.approval.order_refs) if records.approval else set()
    shown = {o.order_ref: o for o in records.audit.cleared_orders()}
    orders: dict[str, OrderLife] = {}
    for ref in sorted(approved | set(shown)):
        for life in _in_market(records, ref, shown):
            if _sent(life) or ref in approved:
                orders[life.order.order_ref] = life
    if not any(_sent(life) for life in orders.values()) and not records.followed:
        return ()
    return tuple(sorted(orders.values(), key=_place))


def _in_market(records: Records, ref: str, shown: Mapping[str, BasketOrder]) -> Sequence[OrderLife]:
    """Under which orders a row went, or would go, to the market."""
    carriers = [records.lives[c] for c in records.netting.carriers(ref) if c in records.lives]
    moved = [life for life in carriers if _sent(life)]
    own = records.lives.get(ref)
    if moved or (own is None and carriers):
        return moved or carriers[-1:]
    if own is not None and (_sent(own) or not carriers):
        return [own]
    if carriers:
        return carriers[-1:]
    return [OrderLife(order=shown[ref])] if ref in shown else []


#: What needs a person stands first; the others keep their place while they fill.
_RANK = {OrderState.UNKNOWN: 0, OrderState.REJECTED: 1}


def _place(life: OrderLife) -> tuple[int, str]:
    return _RANK.get(life.state, len(_RANK)), life.order.order_ref


def _phase(records: Records, orders: Sequence[OrderLife]) -> Phase:
    if records.followed:
        return Phase.FOLLOWED
    unsent = any(not _sent(o) for o in orders)
    if any(_sent(o) and not o.state.final for o in orders):
        return Phase.LEFT
    if orders and not unsent:
        return Phase.DONE
    return _decision(records)


def _decision(records: Records) -> Phase:
    approval = records.approval
    if approval is not None and approval.order_refs:
        return _approved(records, approval)
    if records.manifest.state is RunState.NO_TRADES or not records.audit.rows:
        return Phase.NO_TRADES
    if approval is not None:
        return Phase.REJECTED
    return Phase.UNDECIDED if records.audit.cleared_orders() else Phase.BLOCKED


def _approved(records: Records, approval: Approval) -> Phase:
    if approval.digest != records.digest or approval.account != records.account:
        return Phase.VOID
    return Phase.EXPIRED if records.now >= approval.expires_at else Phase.APPROVED


def _sent(life: OrderLife) -> bool:
    return life.state is not OrderState.INTENDED
