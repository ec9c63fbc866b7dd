"""Where an evening stands, by what is on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import Approval, OrderState
from afterclose.domain.runs import RunState
from afterclose.stages import review
from afterclose.web.notes import Act, Note
from afterclose.web.standing import Phase, Records, Standing, Version, standing
from unit.report.make_rows import ACCOUNT, NOW
from unit.report.make_view import make_view

VIEW = make_view()
DIGEST = review.shown_digest(VIEW.audit)
CLEARED = VIEW.audit.cleared_orders()


def approval(**changes: object) -> Approval:
    made = review.approve(
        VIEW.audit, reviewer="Ann", now=NOW, until=NOW + timedelta(hours=12), note="read"
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # by keyword


def stands(
    *, given: Approval | None = None, states: tuple[OrderState, ...] = (), **changes: object
) -> Standing:
    lives = {
        order.order_ref: OrderLife(order=order, state=state)
        for order, state in zip(CLEARED, states, strict=False)
    }
    records = Records(
        manifest=VIEW.manifest,
        audit=VIEW.audit,
        digest=DIGEST,
        approval=given,
        lives=lives,
        notes=(),
        account=ACCOUNT,
        now=NOW,
    )
    return standing(replace(records, **changes))  # type: ignore[arg-type]  # by keyword


FILLED, WORKING, UNKNOWN = OrderState.FILLED, OrderState.WORKING, OrderState.UNKNOWN


def test_an_evening_goes_from_undecided_to_final() -> None:
    everything = (FILLED,) * len(CLEARED)

    assert stands().phase is Phase.UNDECIDED
    assert stands(given=approval()).phase is Phase.APPROVED
    assert stands(given=approval(), followed=True).phase is Phase.FOLLOWED
    assert stands(given=approval(), states=everything).phase is Phase.DONE


def test_what_is_out_and_not_over_is_never_called_done() -> None:
    for state in (WORKING, UNKNOWN, OrderState.SENT, OrderState.PARTLY_FILLED):
        states = (*(FILLED,) * (len(CLEARED) - 1), state)
        assert stands(given=approval(), states=states).phase is Phase.LEFT, state


def test_what_never_left_can_be_sent_while_the_yes_holds() -> None:
    some = stands(given=approval(), states=(FILLED,))

    assert some.phase is Phase.APPROVED
    assert some.waiting == len(CLEARED) - 1


@pytest.mark.parametrize(
    ("given", "changes", "phase"),
    [
        (approval(order_refs=()), {}, Phase.REJECTED),
        (approval(digest="another"), {}, Phase.VOID),
        (approval(account="DU7654321"), {}, Phase.VOID),
        (approval(), {"now": NOW + timedelta(hours=12)}, Phase.EXPIRED),
        (approval(), {"now": NOW + timedelta(hours=12, seconds=-1)}, Phase.APPROVED),
        (None, {"audit": replace(VIEW.audit, rows=())}, Phase.NO_TRADES),
        (
            None,
            {"manifest": replace(VIEW.manifest, state=RunState.NO_TRADES)},
            Phase.NO_TRADES,
        ),
    ],
)
def test_what_cannot_be_sent_says_why(
    given: Approval | None, changes: dict[str, Any], phase: Phase
) -> None:
    assert stands(given=given, **changes).phase is phase


def test_what_needs_a_person_stands_first() -> None:
    shown = stands(given=approval(), states=(FILLED, WORKING, OrderState.REJECTED, UNKNOWN))

    assert [o.state for o in shown.orders[:2]] == [UNKNOWN, OrderState.REJECTED]


def test_left_out_orders_do_not_go_nor_what_hangs_on_them() -> None:
    closing = next(o for o in CLEARED if o.kind.value == "roll-close")
    note = Note(at=NOW, act=Act.EXCLUDE, digest=DIGEST, order_ref=closing.order_ref)
    shown = stands(notes=(note,))
    refs = {o.order_ref for o in shown.going}

    assert closing.order_ref not in refs
    assert closing.roll_pair not in refs
    assert len(refs) == len(CLEARED) - 2


def test_a_version_tells_what_changed() -> None:
    note = Note(at=NOW, act=Act.EXCLUDE, digest=DIGEST, order_ref=CLEARED[0].order_ref)
    before, chosen, decided = stands(), stands(notes=(note,)), stands(given=approval())

    assert Version.read(str(before.version)) == before.version
    assert chosen.version.choices != before.version.choices
    assert chosen.version.decision == before.version.decision
    assert decided.version.decision != before.version.decision
    assert stands(digest="f" * 64).version.shown != before.version.shown
    assert Version.read("junk") != before.version


def test_what_was_held_back_keeps_its_reason() -> None:
    first, second = CLEARED[0], CLEARED[1]
    lives = {
        first.order_ref: OrderLife(order=first, state=FILLED),
        second.order_ref: OrderLife(order=second, text="held back: the market is far"),
    }
    shown = stands(given=approval(), lives=lives)

    assert "held back: the market is far" in [o.text for o in shown.orders]
