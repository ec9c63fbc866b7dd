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


def one_market() -> MemoryStore:
    return MemoryStore(
        data=small_market([SmallRoot(root="ES")], first=date(2019, 1, 2), last=date(2019, 6, 28))
    )


def test_it_then_runs_on_the_desks_dates_and_capital(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")

    run = run_in_process(
        one_market(),
        request_of(first=date(2019, 6, 3), last=date(2019, 6, 7)),
        load_strategy(str(path)),
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


@pytest.mark.parametrize("imported", ["import", "inside a function"])
def test_a_package_that_a_model_imports_is_in_its_digest(tmp_path: Path, imported: str) -> None:
    package = tmp_path / f"lib_{imported[:6]}"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "deep" / "__init__.py").touch()
    (package / "deep" / "entries.py").write_text("from ..sizes import SIZE\n", encoding="utf-8")
    (package / "sizes.py").write_text("SIZE = 3\n", encoding="utf-8")
    line = f"from {package.name}.deep import entries\n"
    text = f"{line}def initialize(context):\n    pass\n"
    if imported != "import":
        text = f"def initialize(context):\n    {line}"
    path = tmp_path / "with_package.py"
    path.write_text(text, encoding="utf-8")
    first = load_strategy(str(path)).digest

    (package / "sizes.py").write_text("SIZE = 4\n", encoding="utf-8")

    assert load_strategy(str(path)).digest != first


def test_two_models_of_one_folder_have_digests_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "other"):
        text = "def initialize(context):\n    pass\n"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    one, other = (load_strategy(str(tmp_path / f"{name}.py")) for name in ("one", "other"))
    modules = [
        load_strategy(f"afterclose.models.{n}") for n in ("trend_following", "mean_reversion")
    ]

    assert one.digest != other.digest
    assert modules[0].digest != modules[1].digest


def test_an_error_deep_in_a_package_of_the_author_shows_every_line_of_his(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk_rules" / "models").mkdir(parents=True)
    (tmp_path / "desk_rules" / "sizes.py").write_text(
        "def size():\n    return {}['größe']\n", encoding="utf-8"
    )
    (tmp_path / "desk_rules" / "models" / "trend.py").write_text(
        "from desk_rules import sizes\n"
        "def initialize(context):\n    pass\n"
        "def handle_data(context, data):\n    sizes.size()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    day = date(2019, 6, 3)
    request = request_of(first=day, last=day, entry_point="desk_rules.models.trend")

    with pytest.raises(ModelError) as caught:
        run_in_process(one_market(), request, load_strategy("desk_rules.models.trend"))

    text = str(caught.value)
    assert 'trend.py", line 5, in handle_data' in text
    assert 'sizes.py", line 2, in size' in text
    assert "KeyError: 'größe'" in text
    assert "zipline" not in text


@pytest.mark.parametrize("where", ["in the file", "in a function"])
def test_a_model_that_leaves_python_is_told_by_its_own_line(tmp_path: Path, where: str) -> None:
    path = tmp_path / f"leaving {len(where)}.py"
    text = "import sys\n\n\ndef initialize(context):\n    sys.exit('enough')\n"
    path.write_text("import sys\nsys.exit('enough')\n" if where == "in the file" else text, "utf-8")
    day = date(2019, 6, 3)

    with pytest.raises(ModelError) as caught:
        run_in_process(
            one_market(),
            request_of(first=day, last=day, entry_point=str(path)),
            load_strategy(str(path)),
        )

    assert "SystemExit: enough" in str(caught.value)
    assert f'"{path}", line {2 if where == "in the file" else 5}' in str(caught.value)


def test_an_error_of_syntax_shows_the_line_and_nothing_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "unclosed.py"
    path.write_text("def initialize(context):\n    x = (1,\n", encoding="utf-8")

    with pytest.raises(ModelError) as caught:
        load_strategy(str(path))

    assert f'"{path}", line 2' in str(caught.value)
    assert "strategy.py" not in str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_script_that_runs_itself_only_by_hand_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "by_hand.py"
    guarded = SCRIPT.replace(
        "results = run_algorithm(", "if __name__ == '__main__': run_algorithm("
    )
    path.write_text(guarded.replace("results.to_pickle", "# results.to_pickle"), encoding="utf-8")

    with pytest.raises(ModelError, match="has no function initialize") as caught:
        load_strategy(str(path))

    assert "calls run_algorithm only when it is run by hand" in caught.value.hint


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
