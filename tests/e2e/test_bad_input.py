"""Bad input on the command line: a sentence, a remedy, an exit code; never a traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import openpyxl
import pytest

from e2e.conftest import afterclose

HEADER = ",sid,symbol,price,order_id,amount,commission,dt,txn_dollars\n"
DAY = "2026-10-26 20:00:00+00:00"


def line(symbol: str, price: str = "4987.25", amount: str = "3", order: str = "a1") -> str:
    return f"{DAY},{symbol},{symbol},{price},{order},{amount},,{DAY},\n"


def basket(home: Path, text: str | bytes, *more: str | Path) -> subprocess.CompletedProcess[str]:
    file = home / "transactions.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return afterclose(
        "basket", "--transactions", file, "--account", "DU1234567", "--out", home / "out", *more,
        home=home,
    )  # fmt: skip


def written(home: Path) -> list[str]:
    text = (home / "out" / "TWS_Basket_2026-10-26.csv").read_text(encoding="utf-8")
    return text.splitlines()[1:]


def assert_told(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "error of ours" not in said
    for word in words:
        assert word in said


def test_a_good_row_becomes_an_order(tmp_path: Path) -> None:
    done = basket(tmp_path, HEADER + line("Future(12 [ESZ26])"))

    assert_told(done, 0, "1 orders of 2026-10-26")
    ref = "desk-20261026-FILE-ESZ26-O1"
    assert written(tmp_path) == [
        f"BUY,3,ES,FUT,202612,CME,USD,DAY,LMT,4987.25,{ref},DU1234567,{ref},50"
    ]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (line("Future(13 [QQQZ26])", order="b"), ("QQQZ26", "not in the mapping", "ZiplineIB")),
        (line("Microsoft", order="b"), ("Microsoft", "line 3", "AC201")),
        (line("Future(13 [CLZ26])", price="NaN", order="b"), ("AC106", "line 3")),
        (line("Future(13 [CLZ26])", amount="1.5", order="b"), ("AC230", "line 3")),
        (line("Future(13 [YXTZ26])", order="b"), ("YXT", "AC203")),
    ],
    ids=["unknown root", "unreadable symbol", "NaN price", "half a contract", "blocked root"],
)
def test_a_bad_row_is_named_and_the_others_are_written(
    tmp_path: Path, bad: str, words: tuple[str, ...]
) -> None:
    done = basket(tmp_path, HEADER + line("Future(12 [ESZ26])") + bad)

    assert_told(done, 1, *words)
    assert len(written(tmp_path)) == 1
    assert "excluded" in done.stdout


@pytest.mark.parametrize(
    "content",
    [b"", HEADER.encode(), b"hello", HEADER.replace("price,", "").encode(), b"\x00\x01\x02\xff"],
    ids=["empty", "header only", "no table", "no price column", "no text"],
)
def test_a_file_that_is_no_transactions_file_is_refused(tmp_path: Path, content: bytes) -> None:
    done = basket(tmp_path, content)

    assert_told(done, 2, "transactions.csv", "→")
    assert not (tmp_path / "out").exists()


def test_an_evening_without_trades_is_an_outcome_with_its_proof(tmp_path: Path) -> None:
    done = basket(tmp_path, HEADER + line("Future(12 [ESZ26])"), "--session", "2026-10-27")

    assert_told(done, 0, "No orders of 2026-10-27", "AC238")


def test_a_mapping_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("ZiplineIB")
    sheet.append(["Symbol", "Symbol IB", "SecType", "Currency IB"])
    sheet.append(["ES", "ES", "FUT", "USD"])
    book.save(tmp_path / "map.xlsx")

    done = basket(tmp_path, HEADER + line("Future(12 [ESZ26])"), "--mapping", tmp_path / "map.xlsx")

    assert_told(done, 2, "Exchange IB", "map.xlsx")


def test_an_exported_mapping_can_be_given_back(tmp_path: Path) -> None:
    exported = afterclose("mapping", "export", "map.xlsx", home=tmp_path)
    done = basket(tmp_path, HEADER + line("Future(12 [ESZ26])"), "--mapping", tmp_path / "map.xlsx")

    assert_told(exported, 0, "map.xlsx")
    assert_told(done, 0)
    assert len(written(tmp_path)) == 1


def test_a_missing_file_and_a_wrong_account_are_usage_errors(tmp_path: Path) -> None:
    missing = afterclose(
        "basket", "--transactions", "no.csv", "--account", "DU1234567", "--out", "out",
        home=tmp_path,
    )  # fmt: skip
    account = afterclose(
        "basket", "--transactions", "no.csv", "--account", "12", "--out", "out", home=tmp_path
    )

    assert_told(missing, 2, "no.csv cannot be read")
    assert_told(account, 2, "'12' is no IB account number")


def test_a_folder_that_is_no_desk_says_so(tmp_path: Path) -> None:
    for command in ("run", "approve", "send", "settle", "status", "reject"):
        assert_told(afterclose(command, home=tmp_path), 2, "no desk", "afterclose.toml")


def test_a_date_that_is_none_is_refused(tmp_path: Path) -> None:
    assert_told(afterclose("demo", "--session", "tomorrow", home=tmp_path), 2, "'tomorrow'")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('[desk]\naccount = "U1234567"\n', ("U1234567", "no paper account")),
        ('[desk]\naccount = "DU1234567"\n[broker]\nport = 7496\n', ("7496", "live port")),
        ("[desk]\nnmae = 1\n", ("desk.nmae",)),
        ("[desk\n", ("not valid TOML",)),
    ],
    ids=["live account", "live port", "misspelled key", "broken file"],
)
def test_settings_that_contradict_themselves_stop_everything(
    tmp_path: Path, settings: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "afterclose.toml").write_text(settings, encoding="utf-8")

    assert_told(afterclose("run", home=tmp_path), 2, *words)
