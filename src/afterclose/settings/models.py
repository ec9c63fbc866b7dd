"""The models, their capital, and how they are run."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from afterclose.domain.runs import CurrencyRule, RollRule
from afterclose.settings.section import Section


class ModelSettings(Section):
    """One model and the capital it runs on."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]{1,8}$")
    entry_point: str
    #: Start of the model, flat. Its indicators are warmed by the bars before.
    inception: str = ""
    #: Capital the model counts in; fixed, nothing compounds into it from the account.
    capital_base: Decimal = Field(default=Decimal(1_000_000), gt=0)
    #: Capital of the account that follows it; quantities scale by allocated / capital_base.
    allocated: Decimal | None = Field(default=None, gt=0)
    #: Markets offered to the model; empty: all that the store has.
    roots: tuple[str, ...] = ()
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @property
    def scale(self) -> Decimal:
        """Account quantity per model quantity."""
        allocated = self.capital_base if self.allocated is None else self.allocated
        return allocated / self.capital_base


class EngineSettings(Section):
    """How the models are run."""

    rolls: RollRule = RollRule.CAUSAL
    currency: CurrencyRule = CurrencyRule.ACCOUNT
    base_currency: str = "USD"
    time_limit_s: float = Field(default=3600.0, gt=0)
