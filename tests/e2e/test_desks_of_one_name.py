"""Two desks of one name and one ledger: a second machine of the desk, or another desk."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from afterclose import nightly
from afterclose.adapters.ledger.place import Place
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.bootstrap import open_desk, require_own_ledger
from afterclose.clock import ManualClock
from afterclose.doctor import books
from afterclose.doctor.diagnosis import Health
from afterclose.domain.sending import Halt
from afterclose.errors import ConfigError
from afterclose.settings import Settings, load
from e2e.netted_desk import Script, desk_at, gateway_at, make_market
from e2e.small_desk import ACCOUNT, EVENING, SESSION
from make import make_order

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
OTHER = "DU7654321"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the ledger of both desks is."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite:///{(tmp_path / 'shared.sqlite').as_posix()}"


@pytest.fixture
def name() -> str:
    return uuid4().hex[:8]


def settings_of(home: Path, ledger: str, name: str, account: str = ACCOUNT) -> Settings:
    return load(home, {"ledger": ledger, "desk": {"name": name, "account": account}})


@pytest.fixture
async def prepared(tmp_path: Path, ledger: str, name: str) -> Path:
    """A desk's folder; one evening of it was prepared, and nothing sent."""
    home = tmp_path / "desk"
    home.mkdir()
    make_market(home)
    script = Script(home, {"A": {"ESZ26": (0, 3)}, "B": {}})
    with gateway_at(home, "") as gateway:
        desk_at(home, gateway, script).ledger.close()  # type: ignore[attr-defined]
        settings = settings_of(home, ledger, name)
        desk = open_desk(settings, ManualClock(EVENING), say=lambda _: None, runner=script)
        await nightly.prepare(desk, SESSION)
        desk.ledger.close()  # type: ignore[attr-defined]
    return home


async def test_another_account_of_the_same_name_is_refused_before_it_does_anything(
    prepared: Path, ledger: str, name: str
) -> None:
    other = settings_of(prepared, ledger, name, OTHER)
    with pytest.raises(ConfigError, match=r"of another account \(DU…67\)") as refused:
        open_desk(other, ManualClock(EVENING), say=print)
    lines = {line.what: line for line in books.check(other)}

    assert ACCOUNT not in str(refused.value), "what is told names no account"
    assert "desk.name" in refused.value.hint
    assert lines["ledger's desk"].health is Health.FAILS


async def test_a_halt_is_written_all_the_same(prepared: Path, ledger: str, name: str) -> None:
    other = settings_of(prepared, ledger, name, OTHER)
    desk = open_desk(other, ManualClock(EVENING), say=print, to_halt=True)
    desk.ledger.record_halt(Halt(at=datetime(2026, 10, 21, tzinfo=UTC), by="Ann", reason="wrong"))
    found = desk.ledger.halted()
    desk.ledger.close()  # type: ignore[attr-defined]

    assert found is not None


async def test_the_same_account_goes_on(prepared: Path, ledger: str, name: str) -> None:
    same = open_desk(settings_of(prepared, ledger, name), ManualClock(EVENING), say=print)
    found = same.ledger.navs(ACCOUNT)
    same.ledger.close()  # type: ignore[attr-defined]

    assert len(found) == 1


def test_another_account_beside_it_on_the_server_has_a_name_of_its_own(
    tmp_path: Path, postgresql: str, name: str
) -> None:
    other = uuid4().hex[:8]
    with closing(SqlLedger(postgresql, desk=name)) as first:
        first.record_orders("run", [make_order(account=ACCOUNT)])
    with closing(SqlLedger(postgresql, desk=other)) as second:
        require_own_ledger(settings_of(tmp_path, postgresql, other, OTHER), second)


def test_a_second_machine_is_right_and_its_doctor_says_who_wrote_last(
    tmp_path: Path, postgresql: str, name: str
) -> None:
    away = Place(machine="machine-b", name="cloud", folder="/desks/fut")
    with closing(SqlLedger(postgresql, desk=name, here=away)) as elsewhere, elsewhere.exclusive():
        elsewhere.record_orders("run", [make_order(account=ACCOUNT)])
    lines = {line.what: line for line in books.check(settings_of(tmp_path, postgresql, name))}

    assert lines["ledger"].health is Health.GOOD
    assert lines["ledger's desk"].health is Health.NOTE
    assert lines["ledger's desk"].said == "it was last written from cloud, /desks/fut"
