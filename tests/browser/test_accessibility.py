"""axe-core's rules on the report, where a package that carries axe-core is installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from afterclose.report.evening import EveningView
from afterclose.report.render import render_evening
from browser.chromium import Page, chromium, find_chromium
from unit.report.make_view import make_approval, make_reconciliation, make_report, make_view

BINARY = find_chromium()
CARRIERS = ("axe_core_python", "axe_playwright_python")
RUN = """
new Promise(done => setTimeout(done, 200))
  .then(() => axe.run(document, {resultTypes: ['violations']}))
  .then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes[0].html])))
"""


def find_axe() -> Path | None:
    for name in CARRIERS:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (script := Path(folder) / "axe.min.js").is_file():
                return script
    return None


AXE = find_axe()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="no Chromium that can be driven on this machine"),
    pytest.mark.skipif(AXE is None, reason="no package that carries axe-core is installed"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BINARY is not None
    with chromium(BINARY, tmp_path_factory.mktemp("profile")) as page:
        yield page


def evenings() -> dict[str, EveningView]:
    view = make_view()
    settled = replace(view, approval=make_approval(view), reconciliation=make_reconciliation(view))
    empty = replace(make_view((), trades=()), audit=make_report((), ()))
    return {"settled": settled, "empty": empty}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", ["settled", "empty"])
def test_axe_finds_nothing(
    browser: Page, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    assert AXE is not None
    path = tmp_path / "evening.html"
    path.write_text(render_evening(evenings()[name]), encoding="utf-8", newline="")
    browser.show(width=width, scheme=scheme)
    browser.open(path)
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.ask(AXE.read_text(encoding="utf-8") + ";0")

    found = browser.call("Runtime.evaluate", expression=RUN, awaitPromise=True, returnByValue=True)

    assert json.loads(found["result"]["value"]) == []
