"""A model whose past changes between two evenings, and one that begins with adopted positions."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from afterclose.adapters.ledger.store import SqlLedger
from e2e.conftest import afterclose
from e2e.small_desk import MODEL, SESSION, SmallDesk, make_small_desk
from e2e.test_bad_input import assert_told

pytestmark = pytest.mark.slow

LAST_NIGHT = "2026-10-20"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("small"))


@pytest.fixture
def desk(made: SmallDesk, tmp_path: Path) -> SmallDesk:
    home = tmp_path / "desk"
    shutil.copytree(made.home, home)
    return SmallDesk(home)


def newest_run(desk: SmallDesk, session: str) -> Path:
    runs = sorted((desk.home / "runs").glob(f"{session}-*"), key=lambda p: p.stat().st_mtime_ns)
    return runs[-1]


def audit_rows(desk: SmallDesk) -> list[dict[str, Any]]:
    view = newest_run(desk, SESSION.isoformat()) / "45-evening.json"
    rows: list[dict[str, Any]] = json.loads(view.read_text(encoding="utf-8"))["audit"]["rows"]
    return rows


def cleared(desk: SmallDesk) -> int:
    manifest = newest_run(desk, SESSION.isoformat()) / "00-manifest.json"
    return int(json.loads(manifest.read_text(encoding="utf-8"))["notes"]["cleared"])


def change_the_model(desk: SmallDesk, old: str, new: str) -> None:
    assert old in MODEL
    path = desk.home / "models" / "buy.py"
    path.write_text(MODEL.replace(old, new), encoding="utf-8")


def test_a_changed_past_blocks_what_adds_until_a_person_acknowledges_it(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        afterclose("run", "--session", LAST_NIGHT, home=desk.home)
        change_the_model(desk, "if held else 1", "if held else 2")

        prepared = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)
        assert_told(prepared, 0, "AC118", "afterclose acknowledge BUY")
        rows = audit_rows(desk)
        assert len(rows) == 4
        assert {row["order"]["kind"] for row in rows} == {"entry"}
        assert cleared(desk) == 0

        waiting = afterclose("acknowledge", home=desk.home)
        assert_told(waiting, 1, "BUY", "changed model", "history_changes.csv", "+1 at", "+2 at")
        unexplained = afterclose("acknowledge", "BUY", home=desk.home)
        assert_told(unexplained, 2, "needs a reason")
        word = afterclose(
            "acknowledge", "BUY", "--reason", "two contracts from now on", "--by", "Ann",
            home=desk.home,
        )  # fmt: skip
        assert_told(word, 0, "Ann has acknowledged")

        again = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)
        assert again.returncode == 0, again.stdout + again.stderr
        assert cleared(desk) == 4
        page = (newest_run(desk, SESSION.isoformat()) / "50-review.html").read_text("utf-8")
        assert "two contracts from now on" in page
        assert_told(afterclose("acknowledge", home=desk.home), 0, "was acknowledged")


def test_an_adopted_position_is_in_the_model_and_in_the_books_once(desk: SmallDesk) -> None:
    with desk.gateway() as gateway:
        desk.configure(port=gateway.port)
        settings = desk.home / "afterclose.toml"
        text = settings.read_text(encoding="utf-8")
        text = text.replace(
            'inception = "2026-10-15"\ncapital_base = 1000000\n',
            f'inception = "{SESSION}"\ncapital_base = 1000000\nallocated = 500000\n'
            "adopt = { ESZ26 = 3 }\n",
        )
        settings.write_text(text, encoding="utf-8")

        for _ in range(2):
            prepared = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)

    said = " ".join(prepared.stdout.split())
    assert "0.5 contracts of the account for each of the model" in said
    trades = (newest_run(desk, SESSION.isoformat()) / "20-model-trades.csv").read_text("utf-8")
    kinds = {row["contract"]: (row["kind"], row["delta"]) for row in csv.DictReader(
        trades.splitlines()
    )}  # fmt: skip
    assert kinds["ESZ26"] == ("exit", "-6")
    assert {kind for contract, (kind, _) in kinds.items() if contract != "ESZ26"} == {"entry"}
    ledger = SqlLedger(f"sqlite:///{(desk.home / 'ledger.sqlite').as_posix()}", desk="small")
    held = {contract.symbol: quantity for contract, quantity in ledger.held("BUY").items()}
    ledger.close()
    assert held == {"ESZ26": 3}


def test_an_adopted_position_that_is_no_whole_number_in_the_model_is_refused(
    desk: SmallDesk,
) -> None:
    desk.configure(port=1)
    settings = desk.home / "afterclose.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace(
            "capital_base = 1000000\n",
            "capital_base = 1000000\nallocated = 2000000\nadopt = { ESZ26 = 3 }\n",
        ),
        encoding="utf-8",
    )

    refused = afterclose("run", "--session", SESSION.isoformat(), home=desk.home)

    assert_told(refused, 2, "3 ESZ26 in the account are 1.5 in the model", "capital_base")
