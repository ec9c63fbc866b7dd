"""What a person can do on the page. Each act is checked against what stands *now*, then done once.

A form says which state of affairs it was made from. Whoever comes second, after another person, a
second tab or his own first click, is told what happened instead of repeating or undoing it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from afterclose import nightly
from afterclose.artifacts import RunFolder
from afterclose.domain.orders import Approval
from afterclose.errors import ApprovalVoid, NotApproved, UsageError
from afterclose.evening import dispatch
from afterclose.report.words import counted, moment
from afterclose.web import notes
from afterclose.web.access import DeskAccess
from afterclose.web.evenings import Evening, Evenings
from afterclose.web.notes import Act, Note
from afterclose.web.rewriting import Rewriter
from afterclose.web.sending import Sender
from afterclose.web.standing import Phase, Standing, Version

#: How long a decision waits for the report of the one before to be written.
_DESK_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What came with a request. ``once`` names the form, ``seen`` what it was made from."""

    reviewer: str = ""
    note: str = ""
    once: str = ""
    seen: str = ""
    only: str = ""
    typed: str = ""
    goes: str = ""
    why: str = ""
    refs: tuple[str, ...] = ()
    #: Digest of what the page around the form shows.
    shown: str = ""

    @classmethod
    def read(cls, pairs: Sequence[tuple[str, str]], *, shown: str = "") -> Form:
        """Take the known fields of a form; anything else in it is passed over."""
        values: Mapping[str, str] = {k: v.strip() for k, v in pairs if k in _FIELDS}
        return cls(refs=tuple(v for k, v in pairs if k == "ref"), shown=shown, **values)


_FIELDS = frozenset({"reviewer", "note", "once", "seen", "only", "typed", "goes", "why"})


@dataclass(slots=True)
class Acts:
    """The acts on one desk, one after another."""

    access: DeskAccess
    evenings: Evenings
    sender: Sender
    rewriter: Rewriter
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, folder: RunFolder, form: Form) -> None:
        """Leave an order out, or put it back. Raises SafetyError once the evening is decided."""
        with self._one_at_a_time:
            evening = self.evenings.read(folder)
            standing = evening.standing
            _require(standing, form, decision=True)
            if not standing.open_to_decision:
                raise NotApproved(_decided(standing), hint="reload the page")
            known = {row.order.order_ref for row in evening.view.audit.rows}
            ref = form.refs[0] if form.refs else ""
            if ref not in known:
                raise UsageError(f"there is no order {ref!r} in this evening")
            goes = form.goes == "yes"
            if goes and ref not in standing.choices:
                return
            note = self._note(Act.INCLUDE if goes else Act.EXCLUDE, evening, form)
            notes.write(folder, note(order_ref=ref, text=form.why))

    def approve(self, folder: RunFolder, form: Form) -> None:
        """Record a yes to exactly what was seen. Raises SafetyError."""
        with self._one_at_a_time, self.access.act(wait_s=_DESK_WITHIN_S) as desk:
            evening = self.evenings.read(folder)
            standing = evening.standing
            if notes.done_before(standing.records.notes, form.once):
                return
            _require(standing, form, decision=True, choices=True)
            if not standing.open_to_decision:
                raise NotApproved(_decided(standing))
            exclude = set(standing.choices)
            if form.only == "clear":
                exclude |= {row.order.order_ref for row in standing.flagged}
            decision = nightly.approve(
                desk,
                folder,
                reviewer=_reviewer(form),
                note=form.note,
                exclude=frozenset(exclude),
                rewrite=False,
                seen=evening.view.audit,
            )
            said = counted(len(decision.order_refs), "order")
            notes.write(folder, self._note(Act.APPROVE, evening, form)(text=said))
        self.rewriter.later(folder)

    def reject(self, folder: RunFolder, form: Form) -> None:
        """Record a no, or take a yes back before anything left. Raises SafetyError."""
        with self._one_at_a_time, self.access.act(wait_s=_DESK_WITHIN_S) as desk:
            evening = self.evenings.read(folder)
            standing = evening.standing
            if notes.done_before(standing.records.notes, form.once):
                return
            _require(standing, form, decision=True)
            if standing.orders:
                raise NotApproved(
                    "orders of this evening have left already", hint="cancel what is working"
                )
            if not form.note:
                raise NotApproved("no reason was given", hint="say why, for whoever reads it later")
            nightly.reject(
                desk,
                folder,
                reviewer=_reviewer(form),
                note=form.note,
                rewrite=False,
                seen=evening.view.audit,
            )
            notes.write(folder, self._note(Act.REJECT, evening, form)(text=form.note))
        self.rewriter.later(folder)

    def send(self, folder: RunFolder, form: Form) -> None:
        """Start to send what is approved. Raises SafetyError."""
        with self._one_at_a_time:
            evening = self.evenings.read(folder)
            standing = evening.standing
            if notes.done_before(standing.records.notes, form.once):
                return
            _require(standing, form, decision=True)
            _require_sendable(standing)
            dispatch.require_confirmed(self.access.desk, form.typed)
            self.sender.require_idle()
            said = self._note(Act.SEND, evening, form)
            notes.write(folder, said(by=_reviewer(form)))
            self.sender.send(folder, confirmed=form.typed)

    def follow(self, folder: RunFolder, form: Form) -> None:
        """Listen to the gateway again; nothing is sent. Raises SafetyError."""
        with self._one_at_a_time:
            self.sender.require_idle()
            evening = self.evenings.read(folder)
            notes.write(folder, self._note(Act.FOLLOW, evening, form)())
            self.sender.follow(folder)

    def cancel(self, folder: RunFolder, form: Form) -> None:
        """Ask the gateway to cancel orders. Raises BrokerError when it cannot be asked."""
        with self._one_at_a_time:
            evening = self.evenings.read(folder)
            if notes.done_before(evening.standing.records.notes, form.once):
                return
            working = {o.order.order_ref for o in evening.standing.working}
            refs = [ref for ref in form.refs if ref in working]
            self.sender.cancel(folder, refs)
            said = self._note(Act.CANCEL, evening, form)
            notes.write(folder, *(said(order_ref=ref) for ref in refs))

    def close(self) -> None:
        """Let the last report be written, and stop listening."""
        self.sender.stop()
        self.rewriter.finish()

    def _note(self, act: Act, evening: Evening, form: Form) -> _NoteMaker:
        return _NoteMaker(self.access, act, evening.digest, form)


@dataclass(frozen=True, slots=True)
class _NoteMaker:
    access: DeskAccess
    act: Act
    digest: str
    form: Form

    def __call__(self, *, by: str = "", order_ref: str = "", text: str = "") -> Note:
        return Note(
            at=self.access.clock.now(),
            act=self.act,
            by=by or self.form.reviewer,
            digest=self.digest,
            order_ref=order_ref,
            text=text,
            once=self.form.once,
        )


def _reviewer(form: Form) -> str:
    if not form.reviewer:
        raise NotApproved("nobody's name was given", hint="say who you are: it is recorded")
    return form.reviewer


def _require(
    standing: Standing, form: Form, *, decision: bool = False, choices: bool = False
) -> None:
    """Refuse a form that was made from another state of affairs, and say what happened since."""
    seen, now = Version.read(form.seen), standing.version
    if seen.shown != now.shown:
        raise _prepared_again()
    require_shown(standing, form.shown)
    if decision and seen.decision != now.decision:
        raise NotApproved(_decided(standing), hint="nothing was done; look at the page again")
    if choices and seen.choices != now.choices:
        raise NotApproved(
            "somebody left orders out, or put them back, while you were reading",
            hint="nothing was done; look at the page again",
        )


def require_shown(standing: Standing, shown: str) -> None:
    """Refuse what comes from a page that shows another evening than the one on disk.

    A sheet is drawn from what stands now; the tables around it are from when the page was opened.
    Raises ApprovalVoid.
    """
    if shown and shown != standing.records.digest:
        raise _prepared_again()


def _prepared_again() -> ApprovalVoid:
    return ApprovalVoid(
        "the basket, the audit or the account changed while you were reading: the evening was "
        "prepared again; nothing was done",
        hint="reload the page and read what it shows now",
    )


def _decided(standing: Standing) -> str:
    """Tell the one who comes second what was decided, by whom and when."""
    approval = standing.records.approval
    if approval is None:
        return f"this evening cannot be decided on: {standing.phase.value}"
    return f"{approval.reviewer} {_verb(approval)} at {moment(approval.at)}, before you"


def _verb(approval: Approval) -> str:
    if approval.order_refs:
        return f"approved {counted(len(approval.order_refs), 'order')}"
    return "rejected this evening"


def _require_sendable(standing: Standing) -> None:
    approval = standing.records.approval
    if standing.phase is Phase.EXPIRED and approval is not None:
        raise ApprovalVoid(
            f"the approval of {approval.reviewer} expired at {moment(approval.expires_at)}; "
            "nothing was sent",
            hint="prepare the evening again (afterclose run) and approve what it shows then",
        )
    if standing.phase is Phase.VOID:
        raise ApprovalVoid(
            "basket, audit or account changed after the approval; nothing was sent",
            hint="read what is shown now, and approve that",
        )
    left_behind = standing.phase is Phase.LEFT and standing.waiting
    if standing.phase is not Phase.APPROVED and not left_behind:
        raise NotApproved(f"nothing can be sent now: {standing.phase.value}")
