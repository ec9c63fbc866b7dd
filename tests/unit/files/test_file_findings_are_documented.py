from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_every_finding_about_a_file_is_explained_in_the_docs() -> None:
    sources = resources.files("afterclose.adapters.files").iterdir()
    codes = {
        code
        for source in sources
        if source.name.endswith(".py")
        for code in re.findall(r'"(AC\d{3})"', source.read_text(encoding="utf-8"))
    }
    explained = {
        code
        for page in ("mapping.md", "basket-file.md")
        for code in re.findall(r"^\| (AC\d{3}) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    }

    assert len(codes) > 15
    assert codes == explained
