"""Data and nothing else: 250 bars of two fields and the current contract, for each root."""

from __future__ import annotations

from typing import Any

from zipline.api import continuous_future, date_rules, schedule_function, time_rules
from zipline.errors import SymbolNotFound

from afterclose.models.futures_rules import UNIVERSE


def initialize(context: Any) -> None:
    context.roots = []
    for root in UNIVERSE:
        try:
            continuous_future(root, offset=0, roll="volume", adjustment="mul")
        except SymbolNotFound:
            continue
        context.roots.append(root)
    schedule_function(read, date_rules.every_day(), time_rules.market_close())


def read(context: Any, data: Any) -> None:
    futures = [
        continuous_future(root, offset=0, roll="volume", adjustment="mul") for root in context.roots
    ]
    data.history(futures, ["close", "volume"], 250, "1d")
    for future in futures:
        data.current(future, "contract")
