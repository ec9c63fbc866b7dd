"""The desk in a notebook: tables, charts, a loop that runs already, the example notebooks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import afterclose as ac
from afterclose import demo
from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import OrderState
from afterclose.errors import ConfigError, UsageError
from afterclose.notebook import Audit, AuditFrame
from e2e.conftest import play
from e2e.small_desk import SmallDesk, make_small_desk
from unit.report.make_view import make_view
from unit.web.web_site import write_evening

NOTEBOOKS = Path(__file__).parents[3] / "docs" / "notebooks"
VIEW = make_view()


def audit() -> Audit:
    lives = [
        OrderLife(order=order, state=OrderState.WORKING)
        for order in VIEW.audit.cleared_orders()[:1]
    ]
    return Audit(VIEW.audit, tuple(lives))


def test_tables_hold_numbers_and_show_the_reports_digits() -> None:
    buys = audit().buys
    es = buys.loc["main-20261120-TF-ESZ26-O1"]
    html = buys._repr_html_()

    assert es["LmtPrice"] == 6720.25
    assert buys["LmtPrice"].dtype == float
    assert bool(buys["FX_Conversion"].isna()["main-20261120-TF-HSIX26-O1"])
    assert "unknown" in html
    assert "#fff7e6" in html
    assert "#e6f7ff" in html


def test_colours_survive_filtering_sorting_and_a_column_of_ones_own() -> None:
    buys = audit().buys
    some = buys[buys["Quantity"] > 0].sort_values("LmtPrice")[["Symbol", "LmtPrice", "RiskOK"]]
    some["Twice"] = some["LmtPrice"] * 2
    html = some._repr_html_()

    assert isinstance(some, AuditFrame)
    assert "#fff7e6" in html
    assert "Twice" in html


def test_both_sides_and_an_empty_one_can_be_shown() -> None:
    assert len(audit().sells) == 6
    assert len(audit().buys) == 9
    assert "<table" in audit().sells.iloc[:0]._repr_html_()


def test_orders_tell_what_was_not_sent() -> None:
    orders = audit().orders

    assert orders["State"].iloc[0] == "working"
    assert set(orders["State"].iloc[1:]) == {"not sent"}
    assert audit().fills.empty


def test_findings_come_with_what_to_do_the_worst_first() -> None:
    found = audit().findings

    assert found["Severity"].iloc[0] == "block"
    assert list(found.columns) == ["Code", "Severity", "Subject", "Message", "Do"]


def test_an_evening_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_evening(tmp_path)
    with pytest.raises(UsageError, match="2025-01-02"):
        ac.open(tmp_path).evening("2025-01-02")


def test_a_folder_that_is_no_desk_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"afterclose\.toml"):
        ac.open(tmp_path)


def test_the_package_itself_stays_light() -> None:
    code = "import afterclose, sys; sys.exit('pandas' in sys.modules or 'plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallDesk:
    return make_small_desk(tmp_path_factory.mktemp("small"))


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_gateway_answers_inside_a_running_event_loop(small: SmallDesk) -> None:
    with small.gateway() as gateway:
        small.configure(port=gateway.port)
        desk = ac.open(small.home)
        positions = desk.positions()  # from within the loop that runs this test
        async with desk.reader() as reader:
            accounts = await reader.accounts()

    assert positions.empty
    assert list(accounts) == ["DU1234567"]


def client_of(notebook: nbformat.NotebookNode, folder: Path) -> NotebookClient:
    """Somebody who runs a notebook in a folder, and is as patient with a kernel as with a cell."""
    return NotebookClient(
        notebook,
        timeout=240,
        startup_timeout=240,
        iopub_timeout=240,  # else what a cell shows is lost in silence where it comes late
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
    )


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    play(demo.DemoRequest(out=folder / "demo"))
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["tonight", "the-day-after"])
def test_the_example_notebooks_run(demo_folder: Path, name: str) -> None:
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # has no types
    client_of(notebook, demo_folder).execute()

    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "Traceback" not in shown
    assert "application/vnd.plotly" in shown
    assert "text/html" in shown


@pytest.mark.slow
def test_the_marimo_notebook_runs_and_shows_the_colour_groups(demo_folder: Path) -> None:
    shown = demo_folder / "tonight.html"
    notebook = shutil.copy(NOTEBOOKS / "tonight_marimo.py", demo_folder)
    command = ("export", "html", str(notebook), "--output", str(shown), "--no-include-code")
    done = subprocess.run(
        [sys.executable, "-m", "marimo", "-q", "-y", *command],
        cwd=demo_folder,
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
    )
    page = shown.read_text(encoding="utf-8")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "fff7e6" in page  # the write-up's tint of prices
    assert "application/vnd.plotly" in page or "marimo-plotly" in page


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_gateway_is_asked_from_within_a_kernel_whose_loop_is_running(
    small: SmallDesk, tmp_path: Path
) -> None:
    """In Jupyter a cell runs inside the kernel's own event loop."""
    source = (
        "import asyncio\n"
        "import afterclose as ac\n"
        "loop = asyncio.get_running_loop()\n"
        f"desk = ac.open({str(small.home)!r})\n"
        "held = desk.positions()\n"
        "async with desk.reader() as reader:\n"
        "    accounts = await reader.accounts()\n"
        "print(loop.is_running(), len(held), sorted(accounts))\n"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])  # type: ignore[no-untyped-call]
    with small.gateway() as gateway:
        small.configure(port=gateway.port)
        client_of(book, tmp_path).execute()

    assert "True 0 ['DU1234567']" in str(book.cells[0].outputs)
