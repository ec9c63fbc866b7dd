"""The state of a run at its last session, so that tomorrow's run can go on from there.

A run that goes on gives what a run from inception gives, bit for bit, because with causal rolls no
later bar changes what an earlier session saw. The state is everything Zipline and the model carry
from one session to the next: positions, the marks of the ledger, the portfolio, orders (the order
in which they stand decides the order of fills), recorded values, and the model's own attributes.
Contracts are kept by symbol. What Zipline can make again (schedules, costs, slippage models) is
made again by ``initialize``; a state kept in a module's global variables is not seen.

A checkpoint knows what it was made from and refuses everything else. The state is a pickle: it is
read from the desk's own folder only, and only after the rest agrees.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

from zipline.assets import Future
from zipline.assets.continuous_futures import ContinuousFuture
from zipline.finance.position import Position

#: Attributes that Zipline or the engine sets while a run goes on; the rest is the model's.
_NOT_THE_MODELS = frozenset(
    {"trading_client", "datetime", "risk_report", "parameters", "exchange_rate", "logger"}
)
_PORTFOLIO = (
    "cash_flow",
    "starting_cash",
    "portfolio_value",
    "pnl",
    "returns",
    "cash",
    "positions_value",
    "positions_exposure",
    "start_date",
)


class StateNotKept(Exception):  # noqa: N818 - an outcome, not a mistake: the next run starts anew
    """The model carries something that cannot be kept (an open file, a lambda, a generator)."""


class _ByName(pickle.Pickler):
    """Contracts and continuations go by name: they belong to the asset finder of one process."""

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Future):
            return ("future", obj.symbol)
        if isinstance(obj, ContinuousFuture):
            return ("continuous", obj.root_symbol, obj.offset, obj.roll_style, obj.adjustment)
        return None


class _FromNames(pickle.Unpickler):
    def __init__(self, content: bytes, finder: Any) -> None:
        super().__init__(io.BytesIO(content))
        self._finder = finder

    def persistent_load(self, pid: Any) -> Any:
        kind, *name = pid
        if kind == "future":
            return self._finder.lookup_future_symbol(*name)
        return self._finder.create_continuous_future(*name)


def own_names(algorithm: Any) -> frozenset[str]:
    """The attributes an algorithm has before the model touches it."""
    return frozenset(vars(algorithm))


def take_state(algorithm: Any, before: frozenset[str]) -> bytes:
    """The state of an algorithm after its last session.

    ``before`` are the attributes it had before ``initialize``. Raises StateNotKept.
    """
    ledger = algorithm.metrics_tracker._ledger  # noqa: SLF001 - the state has no public face
    blotter = algorithm.blotter
    names = vars(algorithm).keys() - before - _NOT_THE_MODELS
    state = {
        "positions": [
            (asset, held.amount, held.cost_basis, held.last_sale_price, held.last_sale_date)
            for asset, held in ledger.position_tracker.positions.items()
        ],
        "marks": list(ledger._payout_last_sale_prices.items()),  # noqa: SLF001
        "portfolio": {name: getattr(ledger.portfolio, name) for name in _PORTFOLIO},
        "orders": list(blotter.orders.values()),
        "open": [(asset, [o.id for o in orders]) for asset, orders in blotter.open_orders.items()],
        "recorded": dict(algorithm._recorded_vars),  # noqa: SLF001
        "model": {name: getattr(algorithm, name) for name in sorted(names)},
    }
    buffer = io.BytesIO()
    try:
        _ByName(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(state)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise StateNotKept(f"an attribute of the model cannot be kept: {error}") from error
    return buffer.getvalue()


def put_state(algorithm: Any, content: bytes) -> None:
    """Put a state into an algorithm whose ``initialize`` has just run."""
    state = _FromNames(content, algorithm.asset_finder).load()
    _put_ledger(algorithm.metrics_tracker._ledger, state)  # noqa: SLF001
    blotter = algorithm.blotter
    blotter.orders.update((order.id, order) for order in state["orders"])
    for asset, ids in state["open"]:
        blotter.open_orders[asset].extend(blotter.orders[number] for number in ids)
    algorithm._recorded_vars.update(state["recorded"])  # noqa: SLF001
    for name, value in state["model"].items():
        setattr(algorithm, name, value)


def _put_ledger(ledger: Any, state: Mapping[str, Any]) -> None:
    tracker = ledger.position_tracker
    for asset, amount, cost_basis, price, day in state["positions"]:
        tracker.positions[asset] = Position(
            asset,
            amount=amount,
            cost_basis=cost_basis,
            last_sale_price=price,
            last_sale_date=day,
        )
    tracker._dirty_stats = True  # noqa: SLF001
    ledger._payout_last_sale_prices.update(state["marks"])  # noqa: SLF001
    portfolio = ledger._portfolio  # noqa: SLF001
    for name, value in state["portfolio"].items():
        setattr(portfolio, name, value)
    portfolio.positions = tracker.get_positions()
    # Nothing changed since the last session closed; the account is still to be read from it.
    ledger._dirty_account = True  # noqa: SLF001
