"""A desk from the command line: run, approve, send, send again, settle; and what goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.conftest import afterclose
from e2e.small_desk import ACCOUNT, NEXT_EVENING, SESSION, SmallDesk, make_small_desk
from e2e.test_bad_input import assert_told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("small"))


@pytest.fixture
def desk(made: SmallDesk, tmp_path: Path) -> SmallDesk:
    home = tmp_path / "desk"
    shutil.copytree(made.home, home)
    return SmallDesk(home)


def evening(desk: SmallDesk, *command: str) -> tuple[int, str]:
    done = afterclose(*command, home=desk.home)
    said = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in said
    return done.returncode, said


def test_a_whole_evening_is_sent_once_and_settled(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        prepared = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)
        assert_told(prepared, 0, "Audit of 2026-10-21", "50-review.html", "afterclose approve")
        assert gateway.orders() == ()

        unapproved = afterclose("send", home=desk.home)
        assert_told(unapproved, 4, "was not approved")
        unsaid = afterclose("approve", "--reviewer", "Ann", home=desk.home)
        assert_told(unsaid, 4, "nobody is at a terminal", "--yes")
        unexplained = afterclose("approve", "--yes", "--reviewer", "Ann", home=desk.home)
        assert_told(unexplained, 4, "no reason was given", "--note")
        approved = afterclose(
            "approve",
            "--yes",
            "--reviewer",
            "Ann",
            "--note",
            "the rehearsal's clock",
            home=desk.home,
        )
        assert_told(approved, 0, "4 orders approved", ACCOUNT, "Ann")

        settled = afterclose("settle", home=desk.home)  # too early: it changes nothing
        assert_told(settled, settled.returncode, "nothing was sent: 4 approved orders")
        assert_told(afterclose("status", home=desk.home), 0, ": approved, paper")

        assert_told(afterclose("send", home=desk.home), 0, "small-20261021-BUY-ESZ26-O1")
        assert_told(afterclose("send", home=desk.home), 0)
        refs = sorted(o.order_ref for o in gateway.orders())
        assert refs == sorted(set(refs))
        assert len(refs) == 4

        gateway.advance_to(NEXT_EVENING)
        settled = afterclose("settle", home=desk.home)
        assert settled.returncode in {0, 1}
        assert "Traceback" not in settled.stderr
        assert_told(afterclose("status", home=desk.home), settled.returncode and 0, "BUY-ESZ26")


def test_a_second_run_of_the_evening_meets_its_own_orders(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        for _ in range(2):
            code, said = evening(desk, "run", "--session", SESSION.isoformat())
            assert code == 0, said
            evening(desk, "approve", "--yes", "--note", "rehearsal")
            evening(desk, "send")

        refs = [o.order_ref for o in gateway.orders()]
        assert len(refs) == len(set(refs)) == 4


def test_nobody_at_the_port_ends_with_what_to_check(desk: SmallDesk, port: int) -> None:
    desk.configure(port=port)

    elsewhere = desk.home.parent  # the desk's model file is found all the same
    done = afterclose("run", "--desk", desk.home, "--session", SESSION.isoformat(), home=elsewhere)

    assert_told(done, 3, str(port), "127.0.0.1")
    run = next((desk.home / "runs").iterdir())
    manifest = json.loads((run / "00-manifest.json").read_text(encoding="utf-8"))
    assert [s["status"] for s in manifest["stages"]][-1] == "failed"
    assert (run / "baskets" / "TWS_Basket_2026-10-21.csv").is_file(), "nothing is lost"


def test_the_wrong_account_is_refused(desk: SmallDesk) -> None:
    with desk.gateway(account="DU7654321") as gateway:
        desk.configure(port=gateway.port)
        done = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)

    assert_told(done, 4, "DU7654321", ACCOUNT)


def test_stale_data_stops_the_evening(desk: SmallDesk, port: int) -> None:
    desk.configure(port=port)

    done = afterclose("run", "--session", "2026-10-22", home=desk.home)

    assert_told(done, 1, "ends on 2026-10-21", "2026-10-22")


def test_a_changed_report_makes_the_approval_void(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        evening(desk, "run", "--session", SESSION.isoformat())
        evening(desk, "approve", "--yes", "--note", "rehearsal")
        view = next((desk.home / "runs").iterdir()) / "45-evening.json"
        content = json.loads(view.read_text(encoding="utf-8"))
        content["audit"]["rows"][0]["final_quantity"] += 1
        view.write_text(json.dumps(content), encoding="utf-8")

        done = afterclose("send", home=desk.home)

        assert_told(done, 4, "changed after the approval")
        assert gateway.orders() == ()


def test_an_order_without_an_answer_is_unknown_and_never_sent_again(desk: SmallDesk) -> None:
    with desk.gateway(scenario="[orders]\nno_callback = [1]\n") as gateway:
        desk.configure(port=gateway.port)
        evening(desk, "run", "--session", SESSION.isoformat())
        evening(desk, "approve", "--yes", "--note", "rehearsal")
        first, said = evening(desk, "send")
        again, _ = evening(desk, "send")

        refs = [o.order_ref for o in gateway.orders()]
        assert first in {0, 3}, said
        assert again in {0, 3}
        assert len(refs) == len(set(refs))


def test_the_second_evening_goes_on_from_the_first_and_comes_to_the_same(
    desk: SmallDesk, port: int
) -> None:
    """Nobody listens at the port: the models run all the same, and that is what is compared."""
    desk.configure(port=port)
    runs = desk.home / "runs"

    def model(session: str, *flags: str) -> dict[str, object]:
        done = afterclose("run", "--session", session, *flags, home=desk.home)
        assert_told(done, 3)
        newest = max(runs.glob(f"{session}-*"), key=lambda p: p.stat().st_mtime_ns)
        result: dict[str, object] = json.loads(
            (newest / "zipline" / "BUY" / "result.json").read_text(encoding="utf-8")
        )
        return result

    first = model("2026-10-20")
    resumed = model("2026-10-21")
    full = model("2026-10-21", "--full")

    assert "inception" in str(first["facts"]["started"])  # type: ignore[index]
    assert "inception" not in str(resumed["facts"]["started"])  # type: ignore[index]
    assert "inception" in str(full["facts"]["started"])  # type: ignore[index]
    for what in ("transactions", "positions", "open_orders", "portfolio_value"):
        assert resumed[what] == full[what]
