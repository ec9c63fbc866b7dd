"""What the engine relies on inside Zipline. When one fails, read the engine, then move the pin.

Zipline is not changed, but some of its doors are private. This test names each of them.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from zipline.algorithm import TradingAlgorithm
from zipline.assets import AssetFinder
from zipline.assets.asset_db_schema import ASSET_DB_VERSION
from zipline.assets.continuous_futures import OrderedContracts
from zipline.assets.roll_finder import RollFinder, VolumeRollFinder
from zipline.data.data_portal import DataPortal
from zipline.data.session_bars import CurrencyAwareSessionBarReader
from zipline.finance.blotter import SimulationBlotter
from zipline.finance.commission import PerContract
from zipline.finance.ledger import Ledger, PositionTracker
from zipline.finance.metrics import MetricsTracker
from zipline.gens.tradesimulation import AlgorithmSimulator

from afterclose.adapters.zipline import engine


def test_the_version_is_the_one_the_engine_was_proved_on() -> None:
    assert version("zipline-reloaded") == "3.2.1"
    assert ASSET_DB_VERSION == 7


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (TradingAlgorithm, "_create_metrics_tracker", ["self"]),
        (TradingAlgorithm, "_create_generator", ["self", "sim_params"]),
        (TradingAlgorithm, "get_generator", ["self"]),
        (TradingAlgorithm, "analyze", ["self", "perf"]),
        (
            DataPortal,
            "_get_daily_window_data",
            ["self", "assets", "field", "days_in_window", "extra_slot"],
        ),
        (RollFinder, "get_rolls", ["self", "root_symbol", "start", "end", "offset"]),
        (VolumeRollFinder, "_active_contract", ["self", "oc", "front", "back", "dt"]),
        (VolumeRollFinder, "get_contract_center", ["self", "root_symbol", "dt", "offset"]),
        (
            AssetFinder,
            "create_continuous_future",
            ["self", "root_symbol", "offset", "roll_style", "adjustment"],
        ),
        (SimulationBlotter, "order", ["self", "asset", "amount", "style", "order_id"]),
        (SimulationBlotter, "get_transactions", ["self", "bar_data"]),
        (PerContract, "calculate", ["self", "order", "transaction"]),
        (Ledger, "_calculate_payout", ["multiplier", "amount", "old_price", "price"]),
        (Ledger, "_get_payout_total", ["self", "positions"]),
        (Ledger, "process_transaction", ["self", "transaction"]),
        (Ledger, "start_of_session", ["self", "session_label"]),
        (Ledger, "update_portfolio", ["self"]),
    ],
)
def test_a_method_that_is_overridden_is_still_called_the_same(
    owner: type, method: str, parameters: list[str]
) -> None:
    function = inspect.unwrap(getattr(owner, method))

    assert list(inspect.signature(function).parameters) == parameters


def test_the_private_state_a_checkpoint_carries_is_still_there() -> None:
    source = inspect.getsource(Ledger)
    tracker = inspect.getsource(MetricsTracker.__init__)

    for name in ("_payout_last_sale_prices", "_portfolio", "_dirty_account", "position_tracker"):
        assert f"self.{name}" in source
    assert "self._ledger = Ledger(sessions, capital_base, data_frequency)" in tracker
    assert "self._sessions" in tracker
    assert "self._recorded_vars" in inspect.getsource(TradingAlgorithm.__init__)
    assert "self._roll_finders" in inspect.getsource(DataPortal.__init__)


def test_the_ledger_pays_out_through_the_methods_that_convert_currencies() -> None:
    assert "self._calculate_payout(" in inspect.getsource(Ledger.process_transaction)
    assert "self._get_payout_total(pt.positions)" in inspect.getsource(Ledger.update_portfolio)


#: Every private attribute of Zipline that the engine touches, and the source it must be in.
PRIVATE: dict[str, object] = {
    "_ledger": MetricsTracker,
    "_sessions": MetricsTracker,
    "_metrics_set": TradingAlgorithm,
    "_recorded_vars": TradingAlgorithm,
    "_create_generator": TradingAlgorithm,
    "_payout_last_sale_prices": Ledger,
    "_portfolio": Ledger,
    "_dirty_account": Ledger,
    "_dirty_stats": PositionTracker,
    "_roll_finders": DataPortal,
    "_exchange_fee": PerContract,
    "_head_contract": None,  # compiled; tested below
}


def test_every_private_attribute_that_is_touched_is_named_here_and_still_there() -> None:
    used: set[str] = set()
    ours: set[str] = set()
    for file in Path(engine.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                if isinstance(node.value, ast.Name) and node.value.id == "os":
                    continue  # Python's own: os._exit is documented
                if isinstance(node.ctx, ast.Load):
                    used.add(node.attr)
                elif isinstance(node.value, ast.Name) and node.value.id == "self":
                    ours.add(node.attr)

    assert used - ours - set(PRIVATE) == set()
    for name, owner in PRIVATE.items():
        if owner is not None:
            assert re.search(rf"\b{name}\b", inspect.getsource(owner)), name  # type: ignore[arg-type]


def test_a_filled_order_is_still_looked_up_by_the_id_of_its_fill() -> None:
    """Adopted positions are fills of orders that the blotter itself has put among its orders."""
    loop = inspect.getsource(AlgorithmSimulator.transform)

    assert "blotter.get_transactions(current_data)" in loop
    assert "order = blotter.orders[transaction.order_id]" in loop


def test_a_chain_is_still_a_linked_list() -> None:
    assert hasattr(OrderedContracts, "_head_contract")
    assert issubclass(CurrencyAwareSessionBarReader, object)
