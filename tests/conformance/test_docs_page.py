"""What the page promises to people who read nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from afterclose import tws_sim
from afterclose.tws_sim.session import HANDLERS
from afterclose.tws_sim.wire_log import REQUEST_NAMES
from conformance.clients import BEGIN, CLIENTS, END, PAGE, ROOT, prepare
from conformance.run_cases import CASES
from unit.tws_sim.sim_market import TUESDAY_OPEN, account, holding

ENVIRONMENTS = "AFTERCLOSE_CLIENT_ENVIRONMENTS"


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_three_lines_run_as_they_are(tmp_path: Path) -> None:
    script = tmp_path / "three_lines.py"
    script.write_text(blocks("python")[0], encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    done = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
    )

    assert done.stdout.startswith("127.0.0.1 ")
    assert done.stdout.endswith("() () ()\n")


def test_the_scenario_of_the_page_is_one_and_every_key_is_on_it() -> None:
    (text,) = blocks("toml")
    scenario = tws_sim.Scenario.from_toml(text)

    assert [each.name for each in fields(tws_sim.Scenario) if each.name not in text] == []
    assert scenario.size_limit == 500
    assert scenario.no_callback == {3}


@pytest.mark.slow
def test_the_plain_ibapi_script_fills_its_three_orders(tmp_path: Path) -> None:
    folder = os.environ.get(ENVIRONMENTS)
    if not folder:
        pytest.skip(f"{ENVIRONMENTS} is not set")
    newest = next(client for client in CLIENTS if client.name.startswith("ibapi-latest"))
    python = prepare(Path(folder), newest)
    script = tmp_path / "order.py"
    script.write_text(blocks("python")[1], encoding="utf-8")
    market = tws_sim.generated_market(until=TUESDAY_OPEN.date())

    # At 10:00 in New York every one of the three markets is open.
    clock = tws_sim.FrozenClock(TUESDAY_OPEN.replace(day=2, hour=15))
    with tws_sim.running(market=market, account=account(), clock=clock) as gateway:
        command = [str(python), str(script), str(gateway.port)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
        orders = gateway.orders()

    assert [each.status for each in orders] == ["Filled"] * 3
    assert done.stdout.count("Filled") == 3


def test_the_table_has_every_case_and_no_failure() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"^\| (TC-\d+) \|.*$", table, re.MULTILINE)

    assert rows == [name for name, _, _ in CASES]
    assert "failed" not in table
    assert "not run" not in table


def test_every_request_that_is_served_has_a_name_in_the_wire_log() -> None:
    assert set(HANDLERS) < set(REQUEST_NAMES)


def test_a_made_up_market_is_the_same_for_the_same_seed_and_lists_every_root() -> None:
    day = TUESDAY_OPEN.date()
    first, second, other = (
        tws_sim.generated_market(until=day, seed=seed, sessions=5) for seed in (1, 1, 2)
    )
    spec = account(holding("6J", "202512", 1, "0.0064"))

    def shown(market: tws_sim.Market) -> tuple[object, ...]:
        clock = tws_sim.FrozenClock(TUESDAY_OPEN)
        with tws_sim.running(market=market, account=spec, clock=clock) as gateway:
            return gateway.positions()

    assert len(first.roots) == 85
    assert [first.fx_bars("EUR", day), shown(first)] == [second.fx_bars("EUR", day), shown(second)]
    assert first.fx_bars("EUR", day) != other.fx_bars("EUR", day)
