"""From a client's contract block to exactly one contract, or the error TWS would give."""

from __future__ import annotations

from dataclasses import replace

from afterclose.tws_sim.contracts import CashPair, Instrument
from afterclose.tws_sim.directory import ContractQuery
from afterclose.tws_sim.gateway import Client, Gateway

_TWIN_NUMBERS = 5000
_UNKNOWN = "No security definition has been found for the request"


def found_contracts(gateway: Gateway, query: ContractQuery) -> list[Instrument]:
    """Return the contracts of a query, those the scenario hides left out."""
    scenario = gateway.scenario
    listed = gateway.directory.find(query, gateway.today)
    found = [item for item in listed if item.root not in scenario.unknown]
    if query.con_id:
        return found
    return found + [_twin(item) for item in found if item.root in scenario.ambiguous]


def _twin(item: Instrument) -> Instrument:
    """Make a second contract that no description tells from the first; its id alone does."""
    if isinstance(item, CashPair):
        return replace(item, number=item.number + _TWIN_NUMBERS)
    product = replace(item.product, number=item.product.number + _TWIN_NUMBERS)
    return replace(item, product=product)


def unknown_contract(client: Client, request_id: int) -> None:
    """Answer that nothing fits."""
    client.error(request_id, 200, _UNKNOWN)


def one_contract(
    gateway: Gateway, client: Client, request_id: int, query: ContractQuery
) -> Instrument | None:
    """Return the one contract of a query; otherwise answer 200 and return None."""
    found = found_contracts(gateway, query)
    if not found:
        unknown_contract(client, request_id)
        return None
    if len(found) > 1:
        name = query.symbol or query.local_symbol or query.trading_class
        text = f"The contract description specified for {name} is ambiguous."
        client.error(request_id, 200, text)
        return None
    return found[0]


def named(item: Instrument) -> str:
    """Return a contract as data errors name it: ``ESZ6@CME``."""
    return f"{item.local_symbol}@{item.exchange}"
