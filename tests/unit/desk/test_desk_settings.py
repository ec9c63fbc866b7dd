"""Settings: flags over environment over local file over file over defaults; mistakes are named."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from afterclose.domain.runs import Mode, TradesFrom
from afterclose.errors import ConfigError, ExitCode
from afterclose.settings import LOCAL_FILE, SETTINGS_FILE, Settings, channel_address, load

MODEL = '[[models]]\nname = "{name}"\nentry_point = "models/x.py"\n'

#: Limits of last resort, all of them: without each a live desk does not start.
LIMITS = """\
[limits]
orders_per_evening = 100
quantity_per_order = 20
notional_per_order = 2e6
notional_per_root = 4e6
notional_total = 2e7
price_band = 0.05
"""
LIVE = """
[desk]
mode = "live"
account = "U1234567"
allowed_accounts = {listed}
[broker]
port = 4001
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.upper().startswith("AFTERCLOSE_")]:
        monkeypatch.delenv(name)


def desk(home: Path, text: str = "", local: str = "", **flags: Any) -> Settings:
    (home / SETTINGS_FILE).write_text(text, encoding="utf-8")
    if local:
        (home / LOCAL_FILE).write_text(local, encoding="utf-8")
    return load(home, flags)


def refused(home: Path, text: str = "", **flags: Any) -> str:
    """The message of the refusal, which must say what to do and end with the usage code."""
    with pytest.raises(ConfigError) as raised:
        desk(home, text, **flags)
    assert raised.value.hint
    assert raised.value.exit_code is ExitCode.USAGE
    return str(raised.value)


def test_a_desk_without_settings_is_a_paper_desk(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert settings.desk.mode is Mode.PAPER
    assert (settings.broker.host, settings.broker.port) == ("127.0.0.1", 7497)
    assert settings.audit.risk_fraction == Decimal("0.005")
    assert settings.audit.max_deviation == Decimal("0.005")
    assert settings.basket.trades_from is TradesFrom.ORDERS
    assert settings.basket.catch_up_entries is False
    assert settings.models == ()


def test_each_source_goes_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key fewer in each stronger source: every one of them must win once."""
    file = '[broker]\nhost = "file"\nport = 1001\nclient_id = 11\ntimeout_s = 1.0\n'
    local = '[broker]\nhost = "local"\nport = 1002\nclient_id = 12\n'
    monkeypatch.setenv("AFTERCLOSE_BROKER__HOST", "environment")
    monkeypatch.setenv("AFTERCLOSE_BROKER__PORT", "1003")
    broker = desk(tmp_path, file, local, broker={"host": "flag"}).broker

    assert (broker.host, broker.port, broker.client_id, broker.timeout_s) == ("flag", 1003, 12, 1.0)


def test_numbers_of_money_are_exact(tmp_path: Path) -> None:
    settings = desk(tmp_path, "[audit]\nrisk_fraction = 0.0033\n")

    assert settings.audit.risk_fraction == Decimal("0.0033")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[broker]\nprot = 7497\n", "broker.prot"),
        ("[brokr]\nport = 7497\n", "brokr"),
        ('[desk]\nname = "a-b"\n', "desk.name"),
        ('[desk]\nname = "toolongname"\n', "desk.name"),
        ('[desk]\nmode = "real"\n', "desk.mode"),
        ("[broker]\nport = 70000\n", "broker.port"),
        ('[broker]\nport = "seven"\n', "broker.port"),
        ('[broker]\nrestart = "25:00"\n', "broker.restart"),
        ('[broker]\nrestart = "23:45Z"\n', "broker.restart"),
        ('[broker]\nrestart_zone = "Mars"\n', "broker.restart_zone"),
        ("[audit]\nrisk_fraction = 0\n", "audit.risk_fraction"),
        ("[audit]\nrisk_fraction = 5\n", "audit.risk_fraction"),
        ("[audit]\nsessions = 19\n", "audit.sessions"),
        ("[review]\nvalid_for_hours = 13\n", "review.valid_for_hours"),
        (MODEL.format(name="TF") + "allocated = 0\n", "models.0.allocated"),
        (MODEL.format(name="TF") + "allocated = -1\n", "models.0.allocated"),
        (MODEL.format(name="TF") + "capital_base = 0\n", "models.0.capital_base"),
        ('[[models]]\nname = "TF"\n', "models.0.entry_point"),
        (MODEL.format(name="TF") + 'inception = "27.11.2026"\n', "models.0.inception"),
        (MODEL.format(name="TF") + 'inception = "2026-11-31"\n', "models.0.inception"),
        (MODEL.format(name="TF") + 'inception = "20261127"\n', "models.0.inception"),
        (MODEL.format(name="TF") + 'inception = "2026-1-7"\n', "models.0.inception"),
        (MODEL.format(name="TF") + "inception = 2026-11-27T00:00:00\n", "models.0.inception"),
        (MODEL.format(name="TF") + "inception = 20261127\n", "models.0.inception"),
        (MODEL.format(name="TF") * 2, "models"),
        ('[audit]\ncapital = "fixed"\n', "audit.fixed_capital"),
        ('[basket]\ntrades_from = "fills"\n', "basket.trades_from"),
    ],
)
def test_a_mistake_is_refused_by_the_name_of_its_key(tmp_path: Path, text: str, key: str) -> None:
    assert key in refused(tmp_path, text)


def test_an_inception_is_a_day_in_one_way_of_writing_and_the_refusal_says_which(
    tmp_path: Path,
) -> None:
    said = refused(tmp_path, MODEL.format(name="TF") + 'inception = "27.11.2026"\n')
    assert "27.11.2026" in said
    assert "yyyy-mm-dd" in said

    for written in ('"2026-11-27"', "2026-11-27"):  # a text, and a day of TOML's own
        text = MODEL.format(name="TF") + f"inception = {written}\n"
        assert desk(tmp_path, text).models[0].inception == "2026-11-27"


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "[broker]\nprot = 1\nport = 0\n[audit]\nsessions = 1\n")

    assert all(key in said for key in ("broker.prot", "broker.port", "audit.sessions"))


@pytest.mark.parametrize("port", [7496, 4001])
def test_paper_never_talks_to_a_live_port(tmp_path: Path, port: int) -> None:
    said = refused(tmp_path, f"[broker]\nport = {port}\n")

    assert "broker.port" in said
    assert "desk.mode" in said


@pytest.mark.parametrize("port", [7497, 4002])
def test_live_never_talks_to_a_paper_port(tmp_path: Path, port: int) -> None:
    text = f'[desk]\nmode = "live"\naccount = "U1234567"\n[broker]\nport = {port}\n' + LIMITS

    assert "broker.port" in refused(tmp_path, text)


@pytest.mark.parametrize(
    "account",
    ["U1234567", "F1234567", "I1234567", "du1234567", "DU", "DU 1234567", "X", "DU1234567\\n"],
)
def test_paper_takes_paper_accounts_only(tmp_path: Path, account: str) -> None:
    assert "desk.account" in refused(tmp_path, f'[desk]\naccount = "{account}"\n')


@pytest.mark.parametrize("account", ["DU1234567", "DF1234567", "DUM123456", "DFP1234567"])
def test_paper_accounts_are_known(tmp_path: Path, account: str) -> None:
    assert desk(tmp_path, f'[desk]\naccount = "{account}"\n').desk.account == account


@pytest.mark.parametrize("account", ["DU1234567", "DF1234567", "u1234567", "U12", "Z1234567"])
def test_live_takes_live_accounts_only(tmp_path: Path, account: str) -> None:
    text = f'[desk]\nmode = "live"\naccount = "{account}"\n[broker]\nport = 7496\n' + LIMITS

    assert "desk.account" in refused(tmp_path, text)


def test_a_live_desk_says_so_in_all_three_places(tmp_path: Path) -> None:
    text = LIVE.format(listed='["F7654321", "U1234567"]') + LIMITS

    assert desk(tmp_path, text).desk.mode is Mode.LIVE


@pytest.mark.parametrize("listed", ["[]", '["U7654321"]', '["u1234567"]', '["DU1234567"]'])
def test_a_live_account_must_be_on_the_list_of_allowed_ones(tmp_path: Path, listed: str) -> None:
    text = LIVE.format(listed=listed) + LIMITS

    assert "desk.allowed_accounts" in refused(tmp_path, text)


def test_a_paper_desk_with_a_list_keeps_to_it(tmp_path: Path) -> None:
    text = '[desk]\naccount = "DU1234567"\nallowed_accounts = ["{}"]\n'

    assert desk(tmp_path, text.format("DU1234567")).desk.account == "DU1234567"
    assert "is not in desk.allowed_accounts" in refused(tmp_path, text.format("DU7654321"))


@pytest.mark.parametrize("line", LIMITS.splitlines()[1:])
def test_a_live_desk_does_not_start_without_each_limit(tmp_path: Path, line: str) -> None:
    text = '[desk]\nmode = "live"\naccount = "U1234567"\n[broker]\nport = 4001\n'

    assert f"limits.{line.split(maxsplit=1)[0]}" in refused(
        tmp_path, text + LIMITS.replace(line, "")
    )


def test_broken_toml_names_its_file(tmp_path: Path) -> None:
    (tmp_path / LOCAL_FILE).write_text("[broker\n", encoding="utf-8")

    assert LOCAL_FILE in refused(tmp_path)
    (tmp_path / LOCAL_FILE).unlink()
    assert SETTINGS_FILE in refused(tmp_path, "desk = \n")


def test_a_variable_that_names_no_setting_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_BROKER__PROT", "7497")
    assert "broker.prot" in refused(tmp_path)

    monkeypatch.delenv("AFTERCLOSE_BROKER__PROT")
    monkeypatch.setenv("AFTERCLOSE_BROKR__PORT", "7497")
    assert "AFTERCLOSE_BROKR__PORT" in refused(tmp_path)


def test_a_variable_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_MODELS", "[not json")

    assert "models" in refused(tmp_path)


def test_a_channel_whose_name_has_two_underscores_is_no_misspelled_section(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFTERCLOSE_CHANNEL_MY__PHONE", "json://127.0.0.1:9")
    (tmp_path / "afterclose.toml").write_text(
        '[notify]\nchannels = ["my__phone"]\n', encoding="utf-8"
    )

    assert load(tmp_path).notify.channels == ("my__phone",)
    assert channel_address("my__phone") == "json://127.0.0.1:9"


def test_other_variables_are_none_of_our_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCLOSE_REAL_DATA", str(tmp_path))
    monkeypatch.setenv("BROKER__PORT", "1")

    assert load(tmp_path).broker.port == 7497


def test_the_scale_is_allocated_over_base(tmp_path: Path) -> None:
    text = MODEL.format(name="TF") + "allocated = 250000\n" + MODEL.format(name="MR")
    first, second = desk(tmp_path, text).models

    assert (first.scale, second.scale) == (Decimal("0.25"), Decimal(1))


def test_paths_are_below_the_desk(tmp_path: Path) -> None:
    settings = desk(tmp_path)

    assert settings.resolve(Path("store")) == tmp_path / "store"
    assert settings.resolve(tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert settings.runs == tmp_path / "runs"
    assert settings.ledger_url == f"sqlite:///{(tmp_path / 'ledger.sqlite').resolve().as_posix()}"


def test_a_database_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    url = "postgresql+psycopg://desk@here/ledger"

    assert desk(tmp_path, f'ledger = "{url}"\n').ledger_url == url


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    settings = desk(tmp_path)

    with pytest.raises(ValueError, match="frozen"):
        settings.ledger = "sqlite:///other.sqlite"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[broker]\nprot = 7497\n", "broker.prot: there is no such setting; did you mean port?"),
        ("[sendign]\n", "sendign: there is no such setting; did you mean sending?"),
        (
            MODEL.format(name="TF") + "capital_bse = 5\n",
            "models.0.capital_bse: there is no such setting; did you mean capital_base?",
        ),
        ("[desk]\ncolour = 1\n", "desk.colour: there is no such setting"),
        ("[broker]\nport = 7496\n", "\n  desk.mode is paper but broker.port 7496 is a live port"),
    ],
    ids=["key", "section", "key of a model", "nothing like it", "two that disagree"],
)
def test_a_misspelled_setting_is_named_with_the_one_that_was_meant(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        desk(tmp_path, text)

    assert said in str(caught.value)
