"""``approve`` and ``reject`` at the terminal: what is shown before, what is asked, what counts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import RunFolder
from afterclose.cli import decide_commands
from afterclose.cli.decide_commands import Said
from afterclose.cli.decision_tables import going_table, staying_lines, sum_line, warnings_table
from afterclose.domain.orders import Approval
from afterclose.domain.runs import Mode, RunManifest, RunState
from afterclose.errors import LiveNotAllowed, NotApproved, NotPossible, UsageError
from afterclose.evening.journal import MANIFEST
from afterclose.settings import load
from e2e.small_desk import make_small_desk
from make import intent
from unit.report.make_view import make_view
from unit.web.web_site import LIVE, PAPER, RUN, write_evening

YES = Said(reviewer="Ann", note="read", sure=True)
ES = "main-20261120-TF-ESZ26-O1"
VIEW = make_view()
MARKET = '[data]\nstore = "market"\n'
NEVER = '[broker]\nrestart = "never"\n'


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("stored") / "desk"
    make_small_desk(home)
    return home


@pytest.fixture
def paper(stored: Path, tmp_path: Path) -> Path:
    home = tmp_path / "desk"
    shutil.copytree(stored, home)
    write_evening(home, settings=PAPER + MARKET + NEVER)
    return home


@pytest.fixture
def live(stored: Path, tmp_path: Path) -> Path:
    home = tmp_path / "desk"
    shutil.copytree(stored, home)
    manifest = replace(VIEW.manifest, mode=Mode.LIVE, account="U1234567")
    audit = replace(VIEW.audit, account="U1234567")
    write_evening(home, replace(VIEW, manifest=manifest, audit=audit), LIVE + MARKET)
    return home


def leave(home: Path, *refs: str) -> None:
    """A sender died when these orders had left: the manifest knows nothing of it."""
    orders = [row.order for row in VIEW.audit.rows if row.order.order_ref in refs]
    ledger = SqlLedger(load(home).ledger_url, desk="main")
    try:
        ledger.record_orders(RUN, orders)
        ledger.append_events(RUN, [intent(order) for order in orders])
    finally:
        ledger.close()


def decision(home: Path) -> Approval | None:
    ledger = SqlLedger(load(home).ledger_url, desk="main")
    try:
        return ledger.approval(RUN)
    finally:
        ledger.close()


def answering(*answers: str) -> Callable[[str], str]:
    left = list(answers)
    return lambda _question: left.pop(0)


def shown(*things: object, width: int = 140) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(*things)
    return out.getvalue()


def test_the_table_shows_what_would_go_and_nothing_else() -> None:
    text = shown(going_table(VIEW, frozenset({ES}), width=140))
    hg = next(line for line in text.splitlines() if "HGH27" in line)

    assert "11 orders for DU1234567 (PAPER)" in text
    assert hg.split("  ")[0].strip() == "clear"
    assert "SELL 2" in hg
    assert "5.0135 USD" in hg
    assert "0 → −2" in hg
    assert "10,000 USD" in hg
    assert "ESZ26" not in text
    assert "FGBLZ26" not in text


def test_the_table_fits_a_narrow_terminal() -> None:
    text = shown(going_table(VIEW, frozenset(), width=80), width=80)

    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "113.640625 USD" in text


def test_whatever_stays_says_why() -> None:
    lines = staying_lines(VIEW.audit, frozenset({ES}))

    assert "stays: BUY 3 ESZ26: left out by you" in lines
    assert "stays: BUY 1 HSIX26: no exchange rate for HKD: the order's risk is unknown" in lines
    assert len(lines) == 4


def test_a_roll_does_not_open_what_its_closing_leg_leaves() -> None:
    closing = "main-20261120-TF-CLF27-C1"
    lines = staying_lines(VIEW.audit, frozenset({closing}))

    assert "stays: BUY 3 CLG27: its closing leg stays" in lines


def test_every_warning_that_a_yes_overrides_is_spelled_out() -> None:
    text = shown(warnings_table(VIEW.audit, frozenset()))

    for code in ("AC512", "AC311", "AC121", "AC431", "AC422"):
        assert code in text
    assert "look at the market before you approve" in text
    assert "AC313" not in text  # of a row that does not go


def test_orders_and_their_risk_are_added_up() -> None:
    # 10,000 + 23,853.125 + 15,778.854 + 13,987.806 + 9,000 without ES; see the report's own rows.
    assert sum_line(VIEW, frozenset({ES})) == ("11 orders, 4 with warnings; risk added 72,620 USD.")


def test_what_goes_is_shown_before_it_counts(
    paper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide_commands.approve(paper, "", YES, exclude=[ES])
    text = capsys.readouterr().out
    made = decision(paper)

    assert text.index("11 orders for DU1234567 (PAPER)") < text.index("11 orders approved")
    assert "Holds until" in text
    assert made is not None
    assert ES not in made.order_refs
    assert (made.reviewer, made.note, len(made.order_refs)) == ("Ann", "read", 11)


def test_where_nobody_sits_only_a_yes_that_was_given_is_one(paper: Path) -> None:
    with pytest.raises(NotApproved, match="nobody is at a terminal") as caught:
        decide_commands.approve(paper, "", replace(YES, sure=False), exclude=[])
    assert decision(paper) is None
    assert "--yes" in caught.value.hint

    decide_commands.approve(paper, "", YES, exclude=[])
    assert decision(paper) is not None


def test_at_a_terminal_only_a_yes_is_a_yes(paper: Path) -> None:
    said = Said(reviewer="Ann", note="read")
    for answer in ("", "n", "no"):
        with pytest.raises(NotApproved, match="nothing was approved"):
            decide_commands.approve(paper, "", said, exclude=[], ask=answering(answer))
    assert decision(paper) is None

    decide_commands.approve(paper, "", said, exclude=[], ask=answering("y"))
    assert decision(paper) is not None


def test_at_a_terminal_the_reason_for_warnings_is_asked_for(paper: Path) -> None:
    asked = answering("sizes read", "y")
    decide_commands.approve(paper, "", Said(reviewer="Ann"), exclude=[], ask=asked)
    made = decision(paper)

    assert made is not None
    assert made.note == "sizes read"
    assert len(made.overrides) == 4


def test_warnings_without_a_reason_are_not_approved(paper: Path) -> None:
    with pytest.raises(NotApproved, match="no reason was given"):
        decide_commands.approve(paper, "", replace(YES, note=""), exclude=[])
    assert decision(paper) is None


@pytest.mark.parametrize("typed", ["", "U123456", "yes"])
def test_real_money_wants_the_account_typed(live: Path, typed: str) -> None:
    said = Said(reviewer="Ann", note="read", sure=True)
    with pytest.raises(LiveNotAllowed, match="U1234567"):
        decide_commands.approve(live, "", replace(said, confirmed=typed), exclude=[])
    with pytest.raises(LiveNotAllowed, match="U1234567"):
        decide_commands.approve(live, "", said, exclude=[], ask=answering(typed))
    assert decision(live) is None


def test_real_money_goes_once_its_account_was_typed(
    live: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Said(reviewer="Ann", note="read")
    decide_commands.approve(live, "", said, exclude=[], ask=answering("U1234567"))

    assert decision(live) is not None
    assert "for U1234567 (LIVE)" in capsys.readouterr().out


def test_an_order_that_is_none_cannot_be_left_out(paper: Path) -> None:
    with pytest.raises(UsageError, match="XXZ26"):
        decide_commands.approve(paper, "", Said(note="x"), exclude=["main-20261120-TF-XXZ26-O1"])


def test_a_no_wants_its_reason(paper: Path) -> None:
    with pytest.raises(NotApproved, match="no reason was given"):
        decide_commands.reject(paper, "", Said(reviewer="Ann"))
    decide_commands.reject(paper, "", Said(reviewer="Ann"), ask=answering("sizes are odd"))
    made = decision(paper)

    assert made is not None
    assert (made.order_refs, made.note) == ((), "sizes are odd")


def test_what_has_left_is_not_rejected_whatever_the_manifest_says(paper: Path) -> None:
    decide_commands.approve(paper, "", YES, exclude=[])
    leave(paper, ES)
    with pytest.raises(NotPossible, match=r"1 orders of the evening .* have left") as caught:
        decide_commands.reject(paper, "", Said(reviewer="Ann", note="no"))
    made = decision(paper)

    assert "afterclose halt" in caught.value.hint
    assert made is not None
    assert made.order_refs


def test_a_second_yes_says_how_much_of_it_has_left(
    paper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(paper, ES)
    decide_commands.approve(paper, "", YES, exclude=[])

    assert "1 of them had left before and do not go again. Next" in capsys.readouterr().out
    leave(paper, *(row.order.order_ref for row in VIEW.audit.rows))
    decide_commands.approve(paper, "", YES, exclude=[])
    assert "They had all left before" in capsys.readouterr().out


def test_a_second_yes_does_not_unsay_that_orders_have_left(paper: Path) -> None:
    decide_commands.approve(paper, "", YES, exclude=[])
    folder = RunFolder(paper / "runs" / RUN)
    manifest = folder.read_json(MANIFEST, RunManifest)
    folder.write_json(MANIFEST, replace(manifest, state=RunState.SUBMITTED))
    decide_commands.approve(paper, "", YES, exclude=[])

    assert folder.read_json(MANIFEST, RunManifest).state is RunState.SUBMITTED
