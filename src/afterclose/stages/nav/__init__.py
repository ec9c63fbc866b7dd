"""The account's value beside the models', and open positions since their entry."""

from afterclose.stages.nav.drift import compare, one_per_session
from afterclose.stages.nav.holdings import open_positions
from afterclose.stages.nav.inputs import ModelBook, NavInputs, Trade

__all__ = ["ModelBook", "NavInputs", "Trade", "compare", "one_per_session", "open_positions"]
