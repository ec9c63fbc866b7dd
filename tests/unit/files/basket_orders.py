"""Orders for the basket tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.domain.contracts import ContractSpec, MappedContract, RootSymbol, read_symbol
from afterclose.domain.orders import Action, BasketOrder, TradeKind

SESSION = date(2026, 11, 20)
SPECS: Mapping[RootSymbol, ContractSpec] = packaged_specs()


def make_order(symbol: str, limit: str, **changes: Any) -> BasketOrder:
    """An order to buy two, unless ``changes`` say otherwise; ``spec`` changes facts of the root."""
    contract = read_symbol(symbol, on=SESSION)
    spec = replace(SPECS[contract.root], **changes.pop("spec", {}))
    facts: dict[str, Any] = {
        "order_ref": f"desk-20261120-TF-{symbol}-O1",
        "model": "TF",
        "mapped": MappedContract(contract=contract, spec=spec),
        "action": Action.BUY,
        "quantity": 2,
        "kind": TradeKind.ENTRY,
        "limit_price": Decimal(limit),
        "account": "DU1234567",
        "session": SESSION,
        "trade_id": f"TF/2026-11-20/{symbol}",
        "model_quantity": 2,
        "held_before": 0,
        "reference_price": Decimal(limit),
    }
    return BasketOrder(**(facts | changes))
