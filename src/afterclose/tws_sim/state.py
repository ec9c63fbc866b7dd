"""The gateway's book as a JSON file, so that it outlives a restart.

What was working goes on working: whatever came due while the gateway was away happens at its next
start, as it would have on the exchange.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from afterclose.tws_sim.account import Position
from afterclose.tws_sim.contracts import CashPair, Instrument, Listing
from afterclose.tws_sim.gateway import Gateway
from afterclose.tws_sim.orders import Action, Execution, Order, Status, Ticket

_FORMAT = 1


class StateError(ValueError):
    """A state file cannot be read, or belongs to another account or market."""


def save(gateway: Gateway, path: Path) -> None:
    """Write the book; the file is whole at every instant."""
    document = {
        "format": _FORMAT,
        "account": gateway.account.name,
        "at": gateway.exchange.at.isoformat(),
        "perm_ids": gateway.ids.perm_ids,
        "last_execution": gateway.exchange.last_execution,
        "next_order_ids": {str(key): value for key, value in gateway.ids.next_by_client.items()},
        "cash": _amounts(gateway.account.cash),
        "realized": _amounts(gateway.account.realized),
        "positions": [_plain(each) for each in gateway.account.positions.values()],
        "orders": [_plain(each) for each in gateway.exchange.orders.values()],
        "executions": [_plain(each) for each in gateway.exchange.executions],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(document), encoding="utf-8", newline="")
    partial.replace(path)


def restore(gateway: Gateway, path: Path) -> None:
    """Put a saved book into a fresh gateway.

    Raises StateError for a file that cannot be read or names another account or an unknown
    contract.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise StateError(f"{path.name}: unknown format {document['format']!r}")
        if document["account"] != gateway.account.name:
            raise StateError(f"{path.name} belongs to account {document['account']}")
        _restore(gateway, document)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"{path.name} cannot be read: {error}") from error


def _restore(gateway: Gateway, document: Mapping[str, Any]) -> None:
    account, exchange = gateway.account, gateway.exchange
    exchange.at = min(datetime.fromisoformat(document["at"]), gateway.now)
    exchange.last_execution = int(document["last_execution"])
    gateway.ids.perm_ids = int(document["perm_ids"])
    gateway.ids.next_by_client = {
        int(key): int(value) for key, value in document["next_order_ids"].items()
    }
    account.cash = {key: Decimal(value) for key, value in document["cash"].items()}
    account.realized = {key: Decimal(value) for key, value in document["realized"].items()}
    account.positions.clear()
    for values in document["positions"]:
        position = Position(**_values(gateway, values))
        account.positions[position.listing.con_id] = position
    for values in document["orders"]:
        order = Order(**_values(gateway, values))
        exchange.adopt(order)
        gateway.by_client[order.client_id, order.order_id] = order
    exchange.executions = [
        Execution(**_values(gateway, values)) for values in document["executions"]
    ]


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {key: str(value) for key, value in amounts.items()}


def _plain(value: Any) -> dict[str, Any]:
    return {each.name: _encode(getattr(value, each.name)) for each in fields(value)}


def _encode(value: Any) -> Any:
    match value:
        case StrEnum():
            found: Any = {"enum": type(value).__name__, "value": value.value}
        case Decimal():
            found = {"decimal": str(value)}
        case datetime():
            found = {"time": value.isoformat()}
        case Listing() | CashPair():
            found = {"contract": value.con_id, "name": value.local_symbol, **_last_day(value)}
        case Ticket():
            found = {"ticket": _plain(value)}
        case tuple():
            found = [list(each) for each in value]
        case _:
            found = value
    return found


def _last_day(value: Instrument) -> dict[str, str]:
    return {"last": value.last_trade_date.isoformat()} if isinstance(value, Listing) else {}


def _values(gateway: Gateway, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _decode(gateway, value) for name, value in stored.items()}


def _decode(gateway: Gateway, value: Any) -> Any:
    match value:
        case list():
            found: Any = tuple(tuple(each) for each in value)
        case {"enum": name, "value": text}:
            found = {"Status": Status, "Action": Action}[name](text)
        case {"decimal": text}:
            found = Decimal(text)
        case {"time": text}:
            found = datetime.fromisoformat(text)
        case {"ticket": values}:
            found = Ticket(**_values(gateway, values))
        case {"contract": _}:
            found = _contract(gateway, value)
        case _:
            found = value
    return found


def _contract(gateway: Gateway, value: Mapping[str, Any]) -> Instrument:
    found = gateway.directory.by_id(int(value["contract"]))
    if found is None:
        raise StateError(f"contract {value['name']} is not in this market")
    if isinstance(found, Listing) and found.last_trade_date != date.fromisoformat(value["last"]):
        raise StateError(f"contract {value['name']} now ends on {found.last_trade_date}")
    return found
