"""Codes in the sources, in the list of weights and in the docs are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from afterclose.domain.finding_codes import CONFIGURABLE, FIXED
from afterclose.errors import ConfigError
from afterclose.settings import load

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (AC\d{3}) \| ([a-z; ]+) \|(.*?)\|", re.MULTILINE)
#: Sources whose codes are about rows and the evening.
SOURCES = (
    "stages/signals.py",
    "stages/mapping.py",
    "stages/placing.py",
    "stages/update.py",
    "domain/contract_facts.py",
    "adapters/marketdata/freshness.py",
    "adapters/marketdata/quality.py",
    "adapters/marketdata/revisions.py",
    "evening/model_runs.py",
    "evening/mapping_check.py",
    "evening/allocations.py",
    "evening/unfinished.py",
    "by_file/rows.py",
)


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    return {code: fixed.strip() for code, _, fixed in ROW.findall(text)}


def used() -> set[str]:
    base = ROOT / "src" / "afterclose"
    packages = (base / "stages" / name for name in ("audit", "basket", "sizing"))
    files = [base / name for name in SOURCES]
    files += [file for package in packages for file in package.glob("*.py")]
    texts = (file.read_text(encoding="utf-8") for file in files)
    return {code for text in texts for code in re.findall(r'"(AC\d{3})"', text)}


def test_every_code_of_an_evening_is_documented_and_no_other() -> None:
    told = documented()
    before_sending = {code for code in told if not code.startswith("AC6")}

    assert len(used()) > 50
    assert used() - set(told) == set()
    assert before_sending - used() == set()


def test_every_code_is_either_fixed_or_may_be_weighed_as_the_docs_say() -> None:
    before_sending = {c: f for c, f in documented().items() if not c.startswith("AC6")}

    assert {c for c, f in before_sending.items() if f == "fixed"} == FIXED
    assert {c for c, f in before_sending.items() if not f} == CONFIGURABLE


def desk(folder: Path, severities: str) -> Path:
    text = f"[audit.severities]\n{severities}\n"
    (folder / "afterclose.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_desk_may_weigh_what_may_be_weighed(tmp_path: Path) -> None:
    settings = load(desk(tmp_path, 'AC104 = "info"'))

    assert settings.audit.severities == {"AC104": "info"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('AC206 = "info"', "the weight of AC206 is fixed"),
        ('AC999 = "info"', "AC999 is no code of the audit"),
        ('AC104 = "loud"', "audit.severities.AC104"),
    ],
)
def test_a_weight_that_cannot_be_is_refused_by_name(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load(desk(tmp_path, line))
