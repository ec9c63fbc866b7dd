"""The doctor's lines: what is good, what is only to be known, what tonight would fail by."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from afterclose.adapters.ledger.place import this_place
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.adapters.marketdata.freshness import Freshness, MarketFreshness
from afterclose.doctor import (
    books,
    channels,
    gateway,
    hours,
    machine,
    market_data,
    models,
    what_ifs,
)
from afterclose.doctor.diagnosis import Diagnosis, Health, tonight_would_fail
from afterclose.doctor.visit import markets
from afterclose.domain.contracts import RootSymbol
from afterclose.domain.margin import MarginImpact
from afterclose.domain.market import AnswerState, Qualification, QualificationState, QuoteKind
from afterclose.settings import (
    ENVIRONMENT_FILE,
    BrokerSettings,
    DataSettings,
    DataSource,
    DeskSettings,
    ModelSettings,
    NotifySettings,
    SendingSettings,
    Settings,
)
from make import ACCOUNT, found, make_account, make_contract, make_order, make_qualified, make_quote

NOW = datetime(2026, 11, 19, 22, 10, tzinfo=UTC)
MODEL = ModelSettings(name="TF", entry_point="models/tf.py", capital_base=Decimal(1_000_000))


def settings(**parts: object) -> Settings:
    return Settings.model_validate({"desk": DeskSettings(account=ACCOUNT), **parts})


def healths(lines: Iterable[Diagnosis]) -> list[Health]:
    return [line.health for line in lines]


def test_a_library_of_another_version_or_none_fails_with_what_to_install() -> None:
    there = {name: f"{version}9" for name, version in machine.LIBRARIES.items()}
    lines = [*machine.libraries({**there, "zipline-reloaded": "3.1.1", "ib_async": "2.1.0"})]

    assert [line.what for line in lines if line.health is Health.FAILS] == ["zipline-reloaded"]
    assert lines[0].remedy == "pip install 'zipline-reloaded==3.2.1'"
    assert machine.LIBRARIES["ib_async"] == "2.1.0"

    none = [*machine.libraries({})]
    assert len(none) == len(machine.LIBRARIES)
    assert "pip install 'afterclose[ibkr]'" in [line.remedy for line in none]


@pytest.mark.parametrize(
    ("free", "health"),
    [(100 << 20, Health.FAILS), (2_000 << 20, Health.NOTE), (60_000 << 20, Health.GOOD)],
)
def test_a_full_disk_fails_before_it_is_full(free: int, health: Health) -> None:
    assert machine.disk(free).health is health


@pytest.mark.parametrize(
    ("accounts", "health", "said"),
    [
        ([ACCOUNT], Health.GOOD, "DU1234567, paper"),
        ([ACCOUNT, "DU2"], Health.GOOD, "beside 1 other"),
        (["DU7654321"], Health.FAILS, "DU7654321"),
        ([], Health.FAILS, "none"),
    ],
)
def test_the_login_must_have_the_account(accounts: list[str], health: Health, said: str) -> None:
    (line,) = gateway.which(settings(), accounts)

    assert line.health is health
    assert said in line.said


def test_a_desk_without_an_account_fails() -> None:
    assert healths(gateway.which(Settings(), [ACCOUNT])) == [Health.FAILS]


@pytest.mark.parametrize(("seconds", "health"), [(30, Health.GOOD), (31, Health.NOTE)])
def test_clocks_that_are_apart_are_told(seconds: int, health: Health) -> None:
    assert gateway.skew(NOW + timedelta(seconds=seconds), NOW).health is health
    assert gateway.skew(NOW - timedelta(seconds=seconds), NOW).health is health


def test_an_account_that_is_silent_about_its_positions_fails() -> None:
    silent = make_account(positions=None)
    lines = {line.what: line for line in gateway.values(settings(models=(MODEL,)), silent)}

    assert lines["account values"].health is Health.FAILS
    assert "positions" in lines["account values"].said


@pytest.mark.parametrize(
    ("value", "health"),
    [
        (None, Health.UNKNOWN),
        (Decimal(999_999), Health.FAILS),
        (Decimal(1_000_000), Health.GOOD),
    ],
)
def test_models_that_get_more_than_there_is_are_told(value: Decimal | None, health: Health) -> None:
    assert gateway.capital(settings(models=(MODEL,)), value).health is health


def test_an_account_of_another_base_currency_fails() -> None:
    desk = settings(engine={"base_currency": "EUR"})
    lines = {line.what: line for line in gateway.values(desk, make_account())}

    assert lines["base currency"].health is Health.FAILS


def test_markets_are_told_by_what_the_gateway_answered() -> None:
    missing = Qualification(state=QualificationState.MISSING)
    silent = Qualification(state=QualificationState.UNKNOWN)
    answers = {
        make_contract("ESZ26"): found("ESZ26"),
        make_contract("CLZ26"): missing,
        make_contract("GCZ26"): silent,
    }
    lines = [*gateway.mapped(answers, blocked=["YXT"], unmapped=["QQQ"])]

    told = {line.said: line.health for line in lines}
    assert told == {
        "missing at the gateway: CL": Health.NOTE,
        "no answer for GC": Health.UNKNOWN,
        "blocked in the mapping: YXT": Health.NOTE,
        "not in the mapping: QQQ": Health.NOTE,
        "1 mapped roots are one contract each at the gateway": Health.GOOD,
    }
    nothing = [*gateway.mapped({make_contract("CLZ26"): missing}, blocked=[], unmapped=[])]
    assert nothing[-1].health is Health.FAILS


def test_quotes_are_told_by_exchange() -> None:
    es, zc = make_qualified("ESZ26"), make_qualified("ZCZ26", exchange="CBOT")
    quotes = {
        es.contract: make_quote(kind=QuoteKind.LIVE),
        zc.contract: make_quote(None, state=AnswerState.UNKNOWN, kind=None, code=354),
    }
    lines = {line.said: line.health for line in gateway.permissions([es, zc], quotes)}

    assert lines == {"live: CME": Health.GOOD, "none (354): CBOT": Health.NOTE}


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (MarginImpact(quantity=1, initial_after=Decimal(10)), Health.GOOD),
        (MarginImpact(quantity=1), Health.UNKNOWN),
        (
            MarginImpact(
                quantity=1, code=321, text="The API interface is currently in Read-Only mode."
            ),
            Health.FAILS,
        ),
        (MarginImpact(quantity=1, code=383, text="The size exceeds", refused=True), Health.FAILS),
        (MarginImpact(quantity=1, code=201, text="No trading permission"), Health.NOTE),
        (MarginImpact(quantity=1, code=201, text="margin", refused=True), Health.NOTE),
    ],
    ids=["taken", "silence", "read-only", "precautions", "permission", "refused"],
)
def test_a_what_if_says_what_would_stop_an_order(answer: MarginImpact, health: Health) -> None:
    (line,) = what_ifs.judged({"CME": answer})

    assert line.health is health
    assert "CME" in line.said or "Read-Only" in line.said


def late(root: str) -> MarketFreshness:
    day = date(2026, 11, 18)
    return MarketFreshness(
        root=root, status=Freshness.LATE, session=date(2026, 11, 19), expected=date(2026, 11, 19),
        newest=day, behind=(), calendar="CMES",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("last", "lates", "source", "health"),
    [
        (date(2026, 11, 19), 0, DataSource.NORGATE, Health.GOOD),
        (date(2026, 11, 19), 1, DataSource.NORGATE, Health.NOTE),
        (date(2026, 11, 19), 3, DataSource.NORGATE, Health.FAILS),
        (date(2026, 11, 18), 0, DataSource.NORGATE, Health.NOTE),
        (date(2026, 11, 18), 0, None, Health.FAILS),
    ],
)
def test_bars_that_are_missing_count_by_how_many(
    last: date, lates: int, source: DataSource | None, health: Health
) -> None:
    desk = settings(data=DataSettings(source=source))
    markets = [late(f"R{n}") for n in range(lates)]

    assert market_data.fresh(desk, date(2026, 11, 19), last, markets, markets=10).health is health


def test_a_source_that_is_not_there_fails_and_none_is_told() -> None:
    day = date(2026, 11, 19)
    norgate = settings(data=DataSettings(source=DataSource.NORGATE))

    assert market_data.source(norgate, day).health is Health.FAILS
    assert "norgatedata" in market_data.source(norgate, day).remedy
    assert market_data.source(settings(), day).health is Health.NOTE


def test_a_copy_of_a_ledger_fails_since_nothing_can_be_sent_from_it(tmp_path: Path) -> None:
    desk, copy = tmp_path / "desk", tmp_path / "copy"
    desk.mkdir()

    (own,) = books.check(settings(home=desk))
    shutil.copytree(desk, copy)
    (copied,) = books.check(settings(home=copy))

    assert (own.health, own.said) == (Health.GOOD, "opens, and may be written from here")
    assert copied.health is Health.FAILS
    assert (desk / "ledger.sqlite").as_posix() in copied.said
    assert "ledger adopt" in copied.remedy


def test_a_ledger_of_another_account_fails_and_one_of_several_is_only_told(tmp_path: Path) -> None:
    with closing(SqlLedger(settings(home=tmp_path).ledger_url, here=this_place(tmp_path))) as made:
        made.record_orders("run", [make_order(account="U7654321")])
        *_, other = books.check(settings(home=tmp_path))
        made.record_orders("run", [make_order(account=ACCOUNT, order_ref="o2")])
        *_, several = books.check(settings(home=tmp_path))

    assert (other.what, other.health) == ("ledger's desk", Health.FAILS)
    assert "of another account (U7…21)" in other.said
    assert "desk.name" in other.remedy
    assert (several.what, several.health) == ("ledger's desk", Health.NOTE)
    assert "2 accounts" in several.said


def test_a_store_that_tonight_fills_by_itself_is_only_told(tmp_path: Path) -> None:
    def store_line(source: DataSource | None) -> Diagnosis:
        data = DataSettings(source=source, store=Path("market"), roots=("ES",))
        lines = market_data.check(settings(home=tmp_path, data=data), date(2026, 11, 19))
        return next(line for line in lines if line.what == "store")

    new = store_line(DataSource.GENERATED)
    by_hand = store_line(None)
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "manifest.json").write_text("torn", encoding="utf-8")
    torn = store_line(DataSource.GENERATED)

    assert (new.health, "update" in new.remedy) == (Health.NOTE, True)
    assert (by_hand.health, torn.health) == (Health.FAILS, Health.FAILS)


def test_before_the_store_is_filled_the_wanted_markets_are_looked_at(tmp_path: Path) -> None:
    data = DataSettings(store=Path("market"), roots=("ES", "CL"))

    assert markets(settings(home=tmp_path, data=data), [RootSymbol("ZC")]) == ["CL", "ES"]
    assert markets(settings(home=tmp_path), [RootSymbol("ZC")]) == ["ZC"]


def test_models_are_imported_each_and_an_error_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "weights.csv").touch()
    (tmp_path / "good.py").write_text(
        "open('weights.csv').close()\ndef initialize(context): pass\n", encoding="utf-8"
    )
    (tmp_path / "bad.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    (tmp_path / "ends.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    desk = Settings(
        home=tmp_path,
        models=tuple(
            ModelSettings(name=n, entry_point=f"{n}.py", inception=when)
            for n, when in (
                ("good", "2026-11-02"), ("bad", ""), ("ends", "2027-01-04"), ("last", ""),
            )
        ),
    )  # fmt: skip
    lines = [*models.check(desk, date(2026, 11, 19))]

    said = {(line.what, line.health): line.said for line in lines}
    assert said["good", Health.GOOD] == "good.py imports"
    broken, undated = (line.said for line in lines if line.what == "bad")
    assert "nowhere_to_be_found" in broken
    assert "inception is ''" in undated
    assert ("last", Health.UNKNOWN) in said
    assert "2027-01-04" in said["ends", Health.FAILS]
    assert healths(models.check(Settings(home=tmp_path), date(2026, 11, 19))) == [Health.FAILS]


def test_a_restart_that_is_near_is_told() -> None:
    # 23:45 in New York is 04:45 UTC in winter; the login ends on Sundays at 01:00.
    desk = Settings(data=DataSettings(source=DataSource.NORGATE))
    lines = {line.what: line for line in hours.check(desk, NOW)}
    near = {
        line.what: line for line in hours.check(desk, datetime(2026, 11, 20, 4, 10, tzinfo=UTC))
    }
    never = Settings(broker=BrokerSettings(restart="never"), sending=SendingSettings())

    assert "in 6 h 35 min" in lines["restart"].said
    assert "in 2 d 7 h 50 min" in lines["login"].said
    assert "the last session is 2026-11-19, the next 2026-11-20" in lines["evening"].said
    assert "in 1 d 2 h 50 min" in lines["evening"].said  # 16:00 in Chicago and three hours
    assert near["restart"].health is Health.NOTE
    assert [line.what for line in hours.check(never, NOW)] == ["evening"]


@pytest.fixture
def scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of addresses that scheduled evenings read, of a user without a keyring."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    file = tmp_path / ENVIRONMENT_FILE
    file.parent.mkdir(parents=True)
    file.write_text("AFTERCLOSE_CHANNEL_MAIL='json://127.0.0.1:9'\n", encoding="utf-8")
    return file


@pytest.mark.skipif(sys.platform == "win32", reason="there a schedule has the user's environment")
def test_an_address_that_this_shell_alone_has_is_told(
    scheduled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_CHANNEL_PHONE", "json://127.0.0.1:9")
    desk = settings(notify=NotifySettings(channels=("mail", "phone")))
    lines = {line.what: line for line in channels.check(desk, knock=False)}

    assert lines["mail"].health is Health.GOOD
    assert lines["phone"].health is Health.NOTE
    assert "a scheduled evening does not have" in lines["phone"].said
    scheduled.write_text("export AFTERCLOSE_CHANNEL_PHONE=json://127.0.0.1:9\n", encoding="utf-8")
    assert [line.health for line in channels.check(desk, knock=False)] == [Health.NOTE, Health.GOOD]


@pytest.mark.usefixtures("scheduled")
def test_channels_without_an_address_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERCLOSE_CHANNEL_MAIL", "json://127.0.0.1:9")
    desk = settings(notify=NotifySettings(channels=("mail", "phone")))
    lines = {line.what: line for line in channels.check(desk, knock=False)}

    assert lines["mail"].health is Health.GOOD
    assert lines["phone"].health is Health.NOTE
    assert "AFTERCLOSE_CHANNEL_PHONE" in lines["phone"].remedy
    assert not tonight_would_fail(lines.values())
