"""The state of a run at its last session, so that tomorrow's run can go on from there.

A run that goes on gives what a run from inception gives, bit for bit, because with causal rolls no
later bar changes what an earlier session saw. The state is everything Zipline and the model carry
from one session to the next: positions, the marks of the ledger, the portfolio, orders (the order
in which they stand decides the order of fills), recorded values, and the model's own attributes.
Contracts are kept by symbol. What Zipline can make again (schedules, costs, slippage models) is
made again by ``initialize``. A model that writes into variables of its modules, their classes or
functions after that has a state which is not kept here: it leaves no checkpoint.

A checkpoint knows what it was made from and refuses everything else. The state is a pickle: it is
read from the desk's own folder only, and only after the rest agrees.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import random
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
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


class StateNotRead(Exception):  # noqa: N818 - likewise: this run starts anew
    """What was kept of the model cannot be made again (a class that pickles, but not back)."""


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


#: Per variable of a module (module, name): a digest of its value.
GlobalValues = Mapping[tuple[str, str], str]


class _Hashing:
    """A file that keeps a digest of what is written."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return len(content)


def global_values(modules: Iterable[ModuleType]) -> GlobalValues:
    """Digests of the variables of modules; what cannot be kept (loggers, locks) is left out.

    With them where the random numbers stand that every module draws from.
    """
    found = {
        ("random", "generator"): _digest(random.getstate()),
        ("numpy.random", "generator"): _digest(np.random.get_state()),  # noqa: NPY002 - the shared one
    }
    for module in modules:
        for name, value in _variables(vars(module), module.__name__, set()):
            try:
                found[module.__name__, name] = _digest(value)
            except Exception:  # noqa: BLE001, S112 - a class of the model's own may raise anything
                continue
    return found


def _digest(value: object) -> str:
    file = _Hashing()
    pickle.Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return file.digest.hexdigest()


def _variables(
    place: Mapping[str, Any], module: str, seen: set[type], within: str = ""
) -> Iterator[tuple[str, Any]]:
    """Variables of a module, of its classes, and what its functions carry; each with its name."""
    for short, value in list(place.items()):
        name = f"{within}{short}"
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if short.startswith("__") or isinstance(plain, ModuleType | BuiltinFunctionType):
            continue
        if not isinstance(plain, type | FunctionType):
            yield name, plain
        elif plain.__module__ != module:  # a library's, or told of where it is from
            continue
        elif isinstance(plain, FunctionType):
            yield f"{name}.__defaults__", (plain.__defaults__, plain.__kwdefaults__)
            yield from ((f"{name}.{own}", kept) for own, kept in vars(plain).items())
        elif plain not in seen:
            seen.add(plain)
            yield from _variables(vars(plain), module, seen, f"{name}.")


def require_same_globals(before: GlobalValues, after: GlobalValues) -> None:
    """Raise StateNotKept where a run changed a variable of a module."""
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if changed:
        module, name = changed[0]
        raise StateNotKept(
            f"the model changes the global variable {name} of {module}; keep it on context"
        )


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
    except Exception as error:  # a class of the model's own may raise whatever it likes
        raise StateNotKept(f"an attribute of the model cannot be kept: {error}") from error
    return buffer.getvalue()


def read_state(content: bytes, finder: Any) -> Mapping[str, Any]:
    """Make the kept objects again, with the contracts of a finder. Raises StateNotRead."""
    try:
        state: Mapping[str, Any] = _FromNames(content, finder).load()
    except Exception as error:  # a class of the model's own may raise whatever it likes
        raise StateNotRead(f"the state of the model does not read back: {error!r}") from error
    return state


def put_state(algorithm: Any, state: Mapping[str, Any], before: frozenset[str]) -> None:
    """Put a state into an algorithm whose ``initialize`` has just run.

    ``before`` as for ``take_state``: what ``initialize`` set and the model took away later goes.
    """
    for name in vars(algorithm).keys() - before - _NOT_THE_MODELS - state["model"].keys():
        delattr(algorithm, name)
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
