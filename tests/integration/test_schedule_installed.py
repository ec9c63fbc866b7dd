"""Evenings by themselves, as schedulers take them: crontab, systemd, the Windows Task Scheduler.

The user's own crontab is never touched: a small program that keeps one in a file stands first in
PATH. The real programs are asked only whether what we wrote is right, and only where they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

from afterclose import schedule
from afterclose.cli import schedule_install
from afterclose.cli.app import app
from afterclose.errors import AfterCloseError, SourceUnavailable, UsageError
from afterclose.settings import ENVIRONMENT_FILE

CRONTAB = """\
#!{python}
import pathlib, sys
kept = pathlib.Path({kept!r})
if sys.argv[1:] == ["-l"]:
    if not kept.exists():
        sys.exit("no crontab for trader")
    sys.stdout.write(kept.read_text(encoding="utf-8"))
else:
    kept.write_text(sys.stdin.read(), encoding="utf-8")
"""
OTHERS = """\
# my own
MAILTO=""
5 4 * * 0 /bin/true # mine: afterclose desk of a friend
1 1 1 1 * /bin/echo "50\\%" # afterclose desk
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="cron and systemd are not on Windows")


@dataclass(frozen=True)
class Machine:
    """A machine with a crontab, and desks on it."""

    home: Path
    kept: Path

    def desk(self, folder: str) -> Path:
        made = self.home / folder
        made.mkdir()
        (made / "afterclose.toml").write_text(
            '[data]\nstart_after_close_min = 65\n[notify]\nchannels = ["phone"]\n', encoding="utf-8"
        )
        return made

    @staticmethod
    def schedule(desk: Path, *flags: str) -> Result:
        return CliRunner().invoke(app, ["schedule", "--desk", str(desk), *flags])

    def lines(self) -> list[str]:
        return self.kept.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    programs, kept = tmp_path / "bin", tmp_path / "crontab.txt"
    programs.mkdir()
    crontab = programs / "crontab"
    crontab.write_text(CRONTAB.format(python=sys.executable, kept=str(kept)), encoding="utf-8")
    crontab.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return Machine(home=tmp_path, kept=kept)


@posix
def test_installing_twice_is_one_entry_and_everybody_elses_lines_stay(machine: Machine) -> None:
    machine.kept.write_text(OTHERS, encoding="utf-8")
    desk = machine.desk("my desk")

    assert machine.schedule(desk, "--for", "cron", "--install").exit_code == 0
    once = machine.lines()
    assert machine.schedule(desk, "--for", "cron", "--install").exit_code == 0

    assert machine.lines() == once
    assert once[: len(OTHERS.splitlines())] == OTHERS.splitlines()
    ours = once[len(OTHERS.splitlines()) :]
    assert ours
    assert all(f"-m afterclose tonight --desk '{desk}' # afterclose desk" in ln for ln in ours)


@posix
def test_two_desks_of_one_name_have_an_entry_each_and_one_is_removed(machine: Machine) -> None:
    paper, live = machine.desk("paper"), machine.desk("live")
    for desk in (paper, live):
        assert machine.schedule(desk, "--for", "cron", "--install").exit_code == 0
    both = machine.lines()
    removed = machine.schedule(paper, "--for", "cron", "--remove")

    assert removed.exit_code == 0
    assert "Removed from the crontab" in removed.stdout
    assert machine.lines() == [ln for ln in both if f"--desk {live} " in ln]
    assert len(both) == 2 * len(machine.lines())
    assert schedule.entry_name("desk", paper) != schedule.entry_name("desk", live)


def test_what_is_printed_has_the_settling_and_the_start(machine: Machine) -> None:
    desk = machine.desk("d")

    systemd = machine.schedule(desk, "--for", "systemd").stdout
    assert "16:05:00 America/Chicago" in systemd
    assert "17:05:00 America/Chicago" in systemd
    windows = machine.schedule(desk, "--for", "windows").stdout
    cron = machine.schedule(desk, "--for", "cron").stdout
    triggers = set(re.findall(r"T(\d\d):05:00<", windows))
    assert {f"{int(hour)}" for hour in triggers} == set(re.findall(r"(?m)^5 (\d+) ", cron))
    assert len(triggers) >= 2  # an hour apart, and each as often as the clocks change in between
    listed = machine.schedule(desk, "--list", "2").stdout
    assert "settled" in listed
    (desk / "afterclose.toml").write_text(
        '[data]\nstart_after_close_min = 65\nsettle_after_close_min = "never"\n', encoding="utf-8"
    )
    assert "16:05:00" not in machine.schedule(desk, "--for", "systemd").stdout


@posix
def test_a_user_without_a_crontab_gets_one(machine: Machine) -> None:
    assert machine.schedule(machine.desk("d"), "--for", "cron", "--install").exit_code == 0
    assert machine.lines()


@posix
def test_a_crontab_that_cannot_be_read_is_not_written_over(machine: Machine) -> None:
    machine.kept.mkdir()  # reading it fails, and not because there is none

    done = machine.schedule(machine.desk("d"), "--for", "cron", "--install")

    assert isinstance(done.exception, SourceUnavailable)
    assert str(done.exception).startswith("crontab -l: ")
    assert [*machine.kept.iterdir()] == []


@posix
def test_an_address_that_only_this_shell_has_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_CHANNEL_PHONE", "json://127.0.0.1:9/?token=s3cret")

    done = machine.schedule(machine.desk("d"), "--for", "cron", "--install")

    assert "the channel phone is in this shell's environment" in done.stdout
    assert "s3cret" not in done.stdout + machine.kept.read_text(encoding="utf-8")


def test_installing_and_removing_at_once_is_refused(machine: Machine) -> None:
    done = machine.schedule(machine.desk("d"), "--install", "--remove")

    assert isinstance(done.exception, UsageError)
    assert not machine.kept.exists()


def test_without_its_scheduler_nothing_is_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(machine.home))
    for kind in ("systemd", "cron", "windows"):
        done = machine.schedule(machine.desk(kind), "--for", kind, "--install")
        assert isinstance(done.exception, AfterCloseError)
        assert "this machine has no" in str(done.exception)
    assert not (machine.home / ".config").exists()


@posix
def test_where_systemd_refuses_no_unit_comes_and_an_older_one_stays(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = machine.home / "bin" / "systemctl"
    program.write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(machine.home))

    desk = machine.desk("d")
    done = machine.schedule(desk, "--for", "systemd", "--install")

    assert "Failed to connect to bus" in str(done.exception)
    assert [p for p in (machine.home / ".config").rglob("*") if p.is_file()] == []

    timer = machine.home / ".config/systemd/user" / f"{schedule.entry_name('desk', desk)}.timer"
    timer.parent.mkdir(parents=True, exist_ok=True)
    timer.write_text("[Timer]\n# of an older install, and enabled\n", encoding="utf-8")
    assert machine.schedule(desk, "--for", "systemd", "--install").exit_code != 0

    assert [p for p in (machine.home / ".config").rglob("*") if p.is_file()] == [timer]
    assert timer.read_text(encoding="utf-8") == "[Timer]\n# of an older install, and enabled\n"


@posix
def test_cron_goes_by_the_machines_zone_whatever_the_shell_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local_time = Path("/etc/localtime")
    if not local_time.exists():
        pytest.skip("this machine keeps its zone elsewhere")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # 5:45: no machine of ours

    zone = schedule_install.machine_zone()

    moment = datetime(2026, 11, 20, 23, 5, tzinfo=UTC)
    with local_time.open("rb") as file:
        assert moment.astimezone(zone) == moment.astimezone(ZoneInfo.from_file(file))
    assert zone is not None
    assert zone.utcoffset(moment.replace(tzinfo=None)) != timedelta(hours=5, minutes=45)


STRANGE = ("/opt/py thon", "-m", "afterclose", "tonight", "--desk", "/desks/50% of $me")


@posix
def test_the_real_crontab_takes_our_lines(tmp_path: Path) -> None:
    program = shutil.which("crontab")
    if program is None:
        pytest.skip("no cron on this machine")
    good, bad = tmp_path / "good", tmp_path / "bad"
    lines = schedule.cron_lines("desk", STRANGE, {time(23, 5): (0, 4, 6), time(0, 0): (5,)})
    good.write_text(schedule.crontab_with(OTHERS, STRANGE, lines), encoding="utf-8")
    bad.write_text("5 24 * * 1 /bin/true\n", encoding="utf-8")

    def dry(file: Path) -> int:
        return subprocess.run([program, "-n", file], capture_output=True, check=False).returncode

    if (
        dry(bad) == 0
        or b"-n" not in subprocess.run([program, "--help"], capture_output=True, check=False).stderr
    ):
        pytest.skip("this cron cannot look at a table without installing it")
    assert dry(good) == 0


@posix
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
def test_cron_gives_the_command_the_addresses_that_are_kept_for_it(
    tmp_path: Path, *, kept: bool
) -> None:
    """The line as cron's shell reads it: in an environment with a home and nothing else."""
    address = "json://127.0.0.1:9/?a=b&token=s3 cret;#"
    if kept:
        file = tmp_path / ENVIRONMENT_FILE
        file.parent.mkdir(parents=True)
        file.write_text(f"AFTERCLOSE_CHANNEL_PHONE='{address}'\n", encoding="utf-8")
    say = "import os; print(os.environ.get('AFTERCLOSE_CHANNEL_PHONE'))"
    (line,) = schedule.cron_lines("desk", (sys.executable, "-c", say), {time(23, 5): (0,)})

    done = subprocess.run(
        ["/bin/sh", "-c", line.split(" ", 5)[5].replace(r"\%", "%")],
        env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == (f"{address if kept else None}\n", "")


@posix
@pytest.mark.parametrize("minutes", [65, 600])
def test_the_real_systemd_takes_our_units(tmp_path: Path, minutes: int) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd on this machine")
    service = schedule.systemd_service("desk", (sys.executable, *STRANGE[1:]))
    timer = schedule.systemd_timer("desk", (timedelta(minutes=5), timedelta(minutes=minutes)))
    for name, text in (
        ("good", timer),
        ("broken", timer.replace("OnCalendar=", "OnCalendar=Moon,")),
    ):
        (tmp_path / f"{name}.service").write_text(service, encoding="utf-8")
        (tmp_path / f"{name}.timer").write_text(text, encoding="utf-8")

    def remarks(name: str) -> list[str]:
        """What is said of our own two files; a machine's other units are none of our business."""
        files = [tmp_path / f"{name}.service", tmp_path / f"{name}.timer"]
        done = subprocess.run(
            [program, "verify", "--man=no", *files], capture_output=True, text=True, check=False
        )
        return [line for line in done.stderr.splitlines() if f"{name}." in line]

    assert remarks("good") == []
    assert remarks("broken") != []


SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
#: Children in the order of the published schema; "all" where any order will do.
SCHEMA: dict[str, set[str]] = {
    "Task": {"RegistrationInfo", "Triggers", "Principals", "Settings", "Data", "Actions"},
    "RegistrationInfo": {"Description", "Author", "Date", "URI"},
    "Triggers": {"CalendarTrigger"},
    "CalendarTrigger": {"StartBoundary", "ScheduleByWeek"},
    "ScheduleByWeek": {"WeeksInterval", "DaysOfWeek"},
    "DaysOfWeek": {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
    "Principals": {"Principal"},
    "Principal": {"UserId", "LogonType", "RunLevel"},
    "Settings": {
        "MultipleInstancesPolicy", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries",
        "StartWhenAvailable", "WakeToRun", "ExecutionTimeLimit",
    },
    "Actions": {"Exec"},
    "Exec": {"Command", "Arguments", "WorkingDirectory"},
}  # fmt: skip


def test_a_windows_task_keeps_to_the_published_schema(tmp_path: Path) -> None:
    """Elements, their places and the encoding, as the Task Scheduler's schema documents them."""
    what = (r"C:\py\python.exe", "-m", "afterclose", "tonight", "--desk", r"C:\Büro & <co>\d")
    text = schedule.windows_task("desk", what, {time(22, 5): (0, 1), time(0, 0): (5, 6)})
    file = tmp_path / "task.xml"
    file.write_text(text, encoding="utf-16")
    task = ET.parse(file).getroot()  # noqa: S314 - our own text; its header says UTF-16

    assert file.read_bytes()[:2] in {b"\xff\xfe", b"\xfe\xff"}
    assert task.tag == f"{SPACE}Task"
    for parent in task.iter():
        allowed = SCHEMA.get(parent.tag.removeprefix(SPACE), set())
        assert {child.tag.removeprefix(SPACE) for child in parent} <= allowed, parent.tag
    for trigger in task.iter(f"{SPACE}CalendarTrigger"):  # here the order is part of the schema
        assert [c.tag.removeprefix(SPACE) for c in trigger] == ["StartBoundary", "ScheduleByWeek"]
        assert re.fullmatch(
            r"2026-01-05T\d\d:\d\d:00", trigger.findtext(f"{SPACE}StartBoundary") or ""
        )
    principal, actions = task.find(f".//{SPACE}Principal"), task.find(f"{SPACE}Actions")
    assert principal is not None
    assert actions is not None
    assert principal.get("id") == actions.get("Context")
    assert principal.findtext(f"{SPACE}LogonType") == "InteractiveToken"
    assert (task.findtext(f".//{SPACE}Arguments") or "").endswith(r'--desk "C:\Büro & <co>\d"')
