"""The documentation: complete, built by one command, read without a network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from afterclose.domain.finding_codes import CONFIGURABLE, FIXED

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(https?:)?//[^\"]*\"")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "tools" / "docs_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_on_its_page(pages: ModuleType) -> None:
    text = pages.commands_page()

    names = [name for name, _ in pages.commands()]
    assert len(names) > 25
    assert [n for n in names if f"\n## {n}\n" not in text] == []


def test_every_setting_is_on_its_page_with_a_meaning(pages: ModuleType) -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", pages.settings_page(), re.MULTILINE)

    assert len(rows) == sum(len(keys) for keys in pages.sections().values())
    assert [key for key, meaning in rows if not meaning] == []


def test_every_finding_code_is_on_a_page() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").glob("*.md"))

    assert {c for c in FIXED | CONFIGURABLE if f"| {c} |" not in text} == set()


def test_every_page_can_be_reached_from_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]

    written = {p.name for p in (ROOT / "docs").glob("*.md")}
    assert written - set(re.findall(r"([\w-]+\.md)$", contents, re.MULTILINE)) == set()


def test_every_picture_and_page_that_a_page_points_at_is_there() -> None:
    made = {"commands.md", "settings.md"}  # by the build
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    targets = {
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if target not in made and not (page.parent / target).exists()
    }

    assert targets == set()


@pytest.mark.slow
def test_the_documentation_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    site = tmp_path / "site"
    built = {p.name for p in site.glob("*.html")}
    written = {p.with_suffix(".html").name for p in (ROOT / "docs").glob("*.md")}
    assert written | {"commands.html", "settings.html"} <= built
    assert (site / "search" / "search_index.json").is_file()
    elsewhere = {
        match[0]
        for page in site.glob("*.html")
        for match in LOADED.finditer(page.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in match[0]
    }
    assert elsewhere == set()
