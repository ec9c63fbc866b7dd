"""Basket: from what a model wants to orders that take the desk there.

``targets`` decides what the desk trades for a model and how much; ``orders`` gives it a price on
the tick and a name. Both are pure.
"""

from afterclose.stages.basket.orders import Basket, OrderTerms, basket_orders, merge
from afterclose.stages.basket.targets import (
    DeskTrade,
    DeskTrades,
    ModelBook,
    desk_trades,
    file_trades,
    without_contracts,
)

__all__ = [
    "Basket",
    "DeskTrade",
    "DeskTrades",
    "ModelBook",
    "OrderTerms",
    "basket_orders",
    "desk_trades",
    "file_trades",
    "merge",
    "without_contracts",
]
