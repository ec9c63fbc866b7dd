"""A new desk's folder: what is asked, what is made, what is refused."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from afterclose import tws_sim
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.cli.app import app
from afterclose.domain.contracts import ContractMonth, FuturesContract, RootSymbol
from afterclose.errors import UsageError
from afterclose.settings import DataSource, load
from e2e.conftest import afterclose
from e2e.test_bad_input import assert_told


def init(home: Path, *flags: str, port: int) -> subprocess.CompletedProcess[str]:
    return afterclose(
        "init", "new", "--yes", "--session", "2026-11-20", f"--port={port}", *flags, home=home
    )


def held(home: Path, model: str) -> dict[str, int]:
    ledger = SqlLedger(load(home).ledger_url)
    try:
        return {contract.symbol: quantity for contract, quantity in ledger.held(model).items()}
    finally:
        ledger.close()


def test_a_desk_is_made_whole(tmp_path: Path, port: int) -> None:
    done = init(tmp_path, "--data", "generated", port=port)
    home = tmp_path / "new"
    settings = load(home)

    assert_told(done, 0, "TF: 1,000,000 USD, from the evening of 2026-11-20, flat", "was not asked")
    assert {p.name for p in home.iterdir()} == {
        "afterclose.toml", ".gitignore", "ZiplineIB_Mapping.xlsx", "ledger.sqlite", "models",
    }  # fmt: skip
    assert settings.desk.account == "DU1234567"
    assert settings.data.source is DataSource.GENERATED
    assert [(m.name, m.inception, m.capital_base) for m in settings.models] == [
        ("TF", "2026-11-20", Decimal(1_000_000)),
        ("MR", "2026-11-20", Decimal(1_000_000)),
    ]
    for model in settings.models:
        assert "def initialize(context" in (home / model.entry_point).read_text(encoding="utf-8")
    assert "ZiplineIB" in openpyxl.load_workbook(home / "ZiplineIB_Mapping.xlsx").sheetnames
    assert held(home, "TF") == {}


def test_nothing_is_ever_overwritten(tmp_path: Path, port: int) -> None:
    init(tmp_path, "--data", "generated", port=port)
    file = tmp_path / "new" / "afterclose.toml"
    before = file.read_bytes()

    assert_told(init(tmp_path, port=port), 2, "is a desk already", "nothing was changed")
    assert file.read_bytes() == before


def test_a_mapping_that_is_there_is_not_overwritten(tmp_path: Path, port: int) -> None:
    (tmp_path / "new").mkdir()
    mine = tmp_path / "new" / "ZiplineIB_Mapping.xlsx"
    mine.write_bytes(b"mine")

    assert_told(init(tmp_path, "--data", "generated", port=port), 2, "is there already")
    assert mine.read_bytes() == b"mine"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["ZiplineIB_Mapping.xlsx"]


def test_named_positions_are_taken_over(tmp_path: Path, port: int) -> None:
    flags = ("--data", "generated", "--adopt", "TF:ESZ26=2", "--adopt", "MR:6EZ26=-1")
    done = init(tmp_path, *flags, port=port)

    assert_told(done, 0, "ESZ26 +2", "6EZ26 -1")
    assert [dict(m.adopt) for m in load(tmp_path / "new").models] == [{"ESZ26": 2}, {"6EZ26": -1}]
    assert held(tmp_path / "new", "TF") == {"ESZ26": 2}
    assert held(tmp_path / "new", "MR") == {"6EZ26": -1}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--data", "oracle"), ("'oracle'", "norgate")),
        (("--data", "norgate"), ("no account", "--account")),
        (("--data", "generated", "--account", "U1234567"), ("real money", "paper")),
        (("--data", "generated", "--account", "12"), ("'12'", "DU")),
        (("--data", "folder", "--account", "DU1234567"), ("reads a folder", "--data-folder")),
        (("--data", "generated", "--capital", "TF"), ("'TF'", "TF=500000")),
        (("--data", "generated", "--capital", "XX=5"), ("XX", "TF, MR")),
        (("--data", "generated", "--adopt", "ESZ26=2"), ("for which model", "TF:ESZ26=2")),
        (("--data", "generated", "--adopt", "TF:ESZ26"), ("no position",)),
        (("--data", "generated", "--adopt", "XX:ESZ26=1"), ("XX", "no capital")),
        (("--data", "generated", "--flat", "--adopt", "TF:ESZ26=1"), ("contradict",)),
        (("--data", "generated", "--adopt-for", "TF"), ("not known", "--adopt TF:ESZ26=2")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_wrong_answer_makes_nothing(
    tmp_path: Path, port: int, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    new = tmp_path / "new"
    done = CliRunner().invoke(app, ["init", str(new), "--yes", f"--port={port}", *flags])

    assert isinstance(done.exception, UsageError)
    said = f"{done.exception} {done.exception.hint}"
    for word in words:
        assert word in said
    assert not (new / "afterclose.toml").exists()


def test_a_live_port_makes_nothing(tmp_path: Path) -> None:
    assert_told(init(tmp_path, "--data", "generated", port=7496), 2, "live gateway")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def account() -> tws_sim.AccountSpec:
    return tws_sim.AccountSpec(
        account="DU1234567",
        cash={"USD": Decimal(900_000)},
        positions=[
            tws_sim.Holding(
                root="ES", contract_month="202612", quantity=2, average_price=Decimal(5000)
            )
        ],
    )


def gateway(account: tws_sim.AccountSpec) -> tws_sim.RunningGateway:
    evening = datetime(2026, 11, 20, 23, 5, tzinfo=UTC)
    market = tws_sim.generated_market(until=date(2026, 11, 23), roots=["ES", "CL"])
    return tws_sim.running(market=market, account=account, clock=tws_sim.FrozenClock(evening))


def test_the_models_together_get_no_more_than_the_account_has(
    tmp_path: Path, account: tws_sim.AccountSpec
) -> None:
    with gateway(account) as listening:
        flags = ("--data", "generated", "--capital", "TF=600000", "--capital", "MR=600000")
        done = init(tmp_path, *flags, port=listening.port)

    assert_told(done, 2, "1,200,000 together", "give them less")
    assert not (tmp_path / "new").exists()


def test_positions_are_taken_over_as_the_gateway_tells_them(
    tmp_path: Path, account: tws_sim.AccountSpec
) -> None:
    with gateway(account) as listening:
        flags = ("--data", "generated", "--adopt-for", "TF", "--capital", "TF=500000")
        done = init(tmp_path, *flags, port=listening.port)

    assert_told(done, 0, "TF: 500,000 USD", "ESZ26 +2")
    assert held(tmp_path / "new", "TF") == {
        FuturesContract(RootSymbol("ES"), ContractMonth(2026, 12)).symbol: 2
    }


def test_a_rehearsal_gateway_for_a_desk_takes_no_other_market(tmp_path: Path, port: int) -> None:
    init(tmp_path, "--data", "generated", port=port)

    assert_told(
        afterclose("sim", "serve", "--desk", "new", "--market", "x", home=tmp_path), 2, "--market"
    )
    assert_told(afterclose("sim", "serve", "--desk", ".", home=tmp_path), 2, "no desk", "init")
    assert_told(afterclose("sim", "serve", "--session", "2026-11-20", home=tmp_path), 2, "--desk")
