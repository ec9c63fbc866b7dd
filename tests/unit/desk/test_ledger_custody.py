"""Who may write into a ledger: not a copy, not two machines at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from afterclose.adapters.ledger.place import Place, this_place
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.domain.sending import Halt
from afterclose.errors import ExitCode, LedgerElsewhere
from make import NOW, SESSION, intent, make_contract, make_order

ES = make_contract("ESZ26")
ORDER = make_order("ESZ26", 2)
HOME = Place(machine="machine-a", name="home", folder="/desk")
CLOUD = Place(machine="machine-b", name="cloud", folder="/desk")
#: A lease that is over as soon as it is written: its holder fell silent long ago.
AT_ONCE = timedelta(0)


class Machines:
    """Opens one desk's ledger from several machines."""

    def __init__(self, url: str, desk: str, stack: ExitStack) -> None:
        self.url, self.desk, self._stack = url, desk, stack

    def ledger(self, here: Place, *, lease_for: timedelta = timedelta(hours=1)) -> SqlLedger:
        opened = SqlLedger(self.url, desk=self.desk, here=here, lease_for=lease_for)
        return self._stack.enter_context(closing(opened))


@pytest.fixture
def machines(postgresql: str) -> Iterator[Machines]:
    """A server that both machines reach."""
    with ExitStack() as stack:
        yield Machines(postgresql, uuid4().hex[:8], stack)


def address(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


# -- one server, several machines --------------------------------------------------------------


def test_a_second_machine_is_refused_while_the_first_writes(machines: Machines) -> None:
    home, cloud = machines.ledger(HOME), machines.ledger(CLOUD)
    home.record_orders("run", [ORDER])

    with pytest.raises(LedgerElsewhere, match="home is writing") as raised:
        cloud.append_events("run", [intent(ORDER)])
    assert raised.value.hint
    assert raised.value.exit_code is ExitCode.REFUSED
    assert cloud.events(SESSION) == ()
    assert cloud.orders(SESSION) == (ORDER,)  # reading is free
    assert (home.written_by(), cloud.written_by()) == (None, "home")


def test_a_machine_that_fell_silent_is_followed_by_another(machines: Machines) -> None:
    machines.ledger(HOME, lease_for=AT_ONCE).record_orders("run", [ORDER])

    cloud = machines.ledger(CLOUD)
    assert cloud.written_by() is None
    cloud.append_events("run", [intent(ORDER)])
    assert list(cloud.events(SESSION)) == [intent(ORDER)]


def test_who_lost_the_ledger_while_sending_writes_no_intent(machines: Machines) -> None:
    home = machines.ledger(HOME, lease_for=AT_ONCE)
    with home.exclusive():
        home.record_orders("run", [ORDER])
        machines.ledger(CLOUD, lease_for=AT_ONCE).adopt("TF", {ES: 1}, at=NOW, note="")

        with pytest.raises(LedgerElsewhere, match="cloud took this ledger over"):
            home.append_events("run", [intent(ORDER)])
    assert home.events(SESSION) == ()


def test_who_lost_it_and_got_it_back_must_begin_again(machines: Machines) -> None:
    """The token has grown: what was known before the loss is worth nothing."""
    home = machines.ledger(HOME, lease_for=AT_ONCE)
    with home.exclusive():
        machines.ledger(CLOUD, lease_for=AT_ONCE).adopt("TF", {ES: 1}, at=NOW, note="")
        machines.ledger(HOME, lease_for=AT_ONCE).adopt("TF", {ES: 1}, at=NOW, note="")

        with pytest.raises(LedgerElsewhere):
            home.record_orders("run", [ORDER])
    home.record_orders("run", [ORDER])


def test_the_end_of_sending_frees_the_ledger_at_once(machines: Machines) -> None:
    home = machines.ledger(HOME)
    with home.exclusive():
        home.record_orders("run", [ORDER])

    machines.ledger(CLOUD).append_events("run", [intent(ORDER)])


def test_two_programs_of_one_desk_on_one_machine_share_the_lease(machines: Machines) -> None:
    first, second = machines.ledger(HOME), machines.ledger(HOME)
    with first.exclusive():
        second.record_orders("run", [ORDER])
        first.append_events("run", [intent(ORDER)])


def test_a_halt_is_written_from_any_machine(machines: Machines) -> None:
    home = machines.ledger(HOME)
    with home.exclusive():
        home.record_orders("run", [ORDER])
        machines.ledger(CLOUD).record_halt(Halt(at=NOW, by="Ann", reason="from the train"))

        halted = home.halted()
    assert halted is not None
    assert halted.by == "Ann"


# -- a file and its copies ---------------------------------------------------------------------


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "desk" / "ledger.sqlite"
    path.parent.mkdir()
    with closing(SqlLedger(address(path))) as ledger:
        ledger.adopt("TF", {ES: 2}, at=NOW, note="inception")
    return path


def test_a_copied_file_is_read_and_not_written(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copied" / "ledger.sqlite"
    shutil.copytree(original.parent, copy.parent)

    with closing(SqlLedger(address(copy))) as ledger:
        assert ledger.held("TF") == {ES: 2}
        assert str(original.as_posix()) in str(ledger.copied_from())
        with pytest.raises(LedgerElsewhere, match="is a copy") as raised:
            ledger.record_orders("run", [ORDER])
        with pytest.raises(LedgerElsewhere), ledger.exclusive():
            pytest.fail("a copy must not send")
        assert "ledger adopt" in raised.value.hint
        assert ledger.orders(SESSION) == ()
    with closing(SqlLedger(address(original))) as ledger:
        ledger.record_orders("run", [ORDER])


def test_a_backup_put_back_in_its_old_place_is_a_copy(original: Path, tmp_path: Path) -> None:
    shutil.copy(original, tmp_path / "backup")
    with original.open("rb"):  # the old file must not give its number to the new one
        original.unlink()
        shutil.copy(tmp_path / "backup", original)

    with (
        closing(SqlLedger(address(original))) as ledger,
        pytest.raises(LedgerElsewhere, match="is a copy"),
    ):
        ledger.record_orders("run", [ORDER])


def test_a_moved_desk_keeps_its_ledger(original: Path, tmp_path: Path) -> None:
    moved = original.parent.rename(tmp_path / "elsewhere")

    with closing(SqlLedger(address(moved / "ledger.sqlite"))) as ledger:
        ledger.record_orders("run", [ORDER])
        assert ledger.copied_from() is None


def test_the_same_file_seen_from_another_machine_is_refused(original: Path) -> None:
    elsewhere = Place(machine="another", name="nas", folder="")
    with (
        closing(SqlLedger(address(original), here=elsewhere)) as ledger,
        pytest.raises(LedgerElsewhere, match="is a copy"),
    ):
        ledger.record_orders("run", [ORDER])


def test_a_person_adopts_a_copy_and_the_ledger_remembers_who(
    original: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copied.sqlite"
    shutil.copy(original, copy)

    with closing(SqlLedger(address(copy))) as ledger:
        ledger.adopt_copy(by="Ann", note="the old disk is gone")
        ledger.record_orders("run", [ORDER])
        assert ledger.copied_from() is None
    with closing(SqlLedger(address(copy))) as ledger:
        assert ledger.orders(SESSION) == (ORDER,)


def test_a_machine_has_one_name_every_time_it_is_asked() -> None:
    assert this_place().machine == this_place().machine != ""
    assert this_place(Path()).folder == Path.cwd().as_posix()
