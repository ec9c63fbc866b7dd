"""Models as people bring them: files, scripts that run themselves, modules, broken ones."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
import zipline

from afterclose.adapters.zipline.strategy import load_strategy
from afterclose.errors import ModelError
from integration.zipline.in_process import request_of, run_in_process
from integration.zipline.small_market import MemoryStore, SmallRoot, small_market

SCRIPT = """
import pandas as pd
from zipline import run_algorithm
from zipline.api import continuous_future, order

def my_setup(context):
    context.future = continuous_future("ES", offset=0, roll="volume")

def my_bar(context, data):
    order(data.current(context.future, "contract"), 1)

results = run_algorithm(
    pd.Timestamp("2001-01-02"), pd.Timestamp("2002-01-02"), my_setup, 5000,
    handle_data=my_bar, bundle="my-own-bundle",
)
results.to_pickle("nowhere/never.pickle")
"""


def test_a_script_that_runs_itself_gives_its_functions_and_goes_no_further(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    before = zipline.run_algorithm

    strategy = load_strategy(str(path))

    assert set(strategy.functions) == {"initialize", "handle_data"}
    assert strategy.functions["initialize"].__name__ == "my_setup"
    assert zipline.run_algorithm is before


def test_it_then_runs_on_the_desks_dates_and_capital(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    store = MemoryStore(
        data=small_market([SmallRoot(root="ES")], first=date(2019, 1, 2), last=date(2019, 6, 28))
    )

    run = run_in_process(
        store, request_of(first=date(2019, 6, 3), last=date(2019, 6, 7)), load_strategy(str(path))
    )

    assert len(run.performance) == 5
    assert run.tables.fills["amount"].tolist() == [1, 1, 1, 1]
    assert [order.amount for order in run.end.open_orders] == [1]


def test_a_module_that_runs_itself_is_refused_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "running_module.py").write_text(SCRIPT, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ModelError, match="calls run_algorithm while it is imported") as caught:
        load_strategy("running_module")

    assert "__main__" in caught.value.hint


def test_a_model_may_import_its_neighbour_and_both_are_in_its_digest(tmp_path: Path) -> None:
    (tmp_path / "neighbour_rules.py").write_text("SIZE = 3\n", encoding="utf-8")
    path = tmp_path / "with_neighbour.py"
    path.write_text(
        "from neighbour_rules import SIZE\n\ndef initialize(context):\n    pass\n", encoding="utf-8"
    )
    first = load_strategy(str(path)).digest
    (tmp_path / "neighbour_rules.py").write_text("SIZE = 4\n", encoding="utf-8")
    del sys.modules["neighbour_rules"]

    assert load_strategy(str(path)).digest != first


def test_a_file_without_initialize_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n", encoding="utf-8")

    with pytest.raises(ModelError, match="has no function initialize"):
        load_strategy(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model file"):
        load_strategy(str(tmp_path / "missing.py"))


def test_an_error_at_import_comes_back_with_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text("value = 1\nvalue.missing\n", encoding="utf-8")

    with pytest.raises(ModelError, match="line 2"):
        load_strategy(str(path))
