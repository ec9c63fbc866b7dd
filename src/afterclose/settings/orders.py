"""From trades to orders: the basket and the audit's limits."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from afterclose.domain.contracts import Rounding
from afterclose.domain.finding_codes import CONFIGURABLE, FIXED
from afterclose.domain.runs import TradesFrom
from afterclose.settings.section import Fraction, Section


class Weight(StrEnum):
    """How much a finding weighs, in a desk's own words."""

    INFO = "info"
    LOOK = "look"
    BLOCK = "block"


class CapitalSource(StrEnum):
    """Which figure entries are sized from."""

    FIXED = "fixed"
    USD_CASH = "usd_cash"
    NET_LIQUIDATION = "net_liquidation"
    AVAILABLE_FUNDS = "available_funds"


class SizeRule(StrEnum):
    """Whose quantity an entry gets when model and audit differ."""

    SMALLER = "smaller"
    AUDIT = "audit"
    MODEL = "model"


class BasketSettings(Section):
    """From the model's trades to orders."""

    trades_from: TradesFrom = TradesFrom.ORDERS
    rounding: Rounding = Rounding.NEAREST
    #: Of one side alone, before the one above: down for purchases and up for sales never pays more.
    rounding_buy: Rounding | None = None
    rounding_sell: Rounding | None = None
    #: Ticks by which a limit reaches beyond the last close, towards being filled.
    entry_offset_ticks: int = 0
    exit_offset_ticks: int = 0
    #: The same in daily moves of the contract: 0.1 is a tenth of what a day moves it.
    entry_offset_moves: Decimal = Decimal(0)
    exit_offset_moves: Decimal = Decimal(0)
    #: One order per contract for all models; false: one order for each model.
    net: bool = True
    #: A roll of which only the closing leg filled: the rest of the opening one goes next evening.
    complete_rolls: bool = True
    #: Positions the model holds and the desk does not: opened only on request.
    catch_up_entries: bool = False


class CheckMapping(StrEnum):
    """Which roots' facts are compared with the gateway every evening."""

    ALL = "all"
    TRADED = "traded"


class AuditSettings(Section):
    """Limits of the checks."""

    max_deviation: Fraction = Decimal("0.005")
    #: Measure the drift in the contract's own daily moves instead: 0.5 is half of one.
    max_drift_moves: Annotated[Decimal, Field(gt=0)] | None = None
    #: Daily bars asked for; the band needs 20, the chart shows them all.
    sessions: int = Field(default=60, ge=20, le=250)
    band_window: int = Field(default=20, ge=2)
    band_width: Decimal = Field(default=Decimal(3), gt=0)
    risk_fraction: Fraction = Decimal("0.005")
    capital: CapitalSource = CapitalSource.USD_CASH
    fixed_capital: Decimal | None = None
    size: SizeRule = SizeRule.SMALLER
    max_volume_share: Fraction = Decimal("0.20")
    #: Most contracts of one order, and of one position by root.
    max_order_contracts: Annotated[int, Field(gt=0)] | None = None
    max_contracts: dict[str, int] = Field(default_factory=dict)
    #: What tonight's openings may lose to their stops, as fractions of the capital.
    max_sector_risk: Fraction | None = None
    max_total_risk: Fraction | None = None
    #: Value of all contracts over net liquidation; and how much of it one part may be.
    max_gross_leverage: Annotated[Decimal, Field(gt=0)] | None = Decimal(20)
    max_sector_share: Fraction | None = None
    max_currency_share: Fraction | None = None
    #: Ask TWS by what-ifs what the basket does to the margin; they need the API to be writable.
    what_ifs: bool = True
    #: Initial margin after the basket over net liquidation.
    max_margin_share: Fraction | None = Decimal("0.5")
    #: Compare the facts of every mapped root of the store with the gateway, not only tonight's.
    check_mapping: CheckMapping = CheckMapping.ALL
    #: Code → "info", "look" or "block", see docs/findings.md.
    severities: dict[str, Weight] = Field(default_factory=dict)

    @field_validator("severities")
    @classmethod
    def _only_codes_that_may_be_weighed(cls, given: dict[str, Weight]) -> dict[str, Weight]:
        for code in given:
            if code in FIXED:
                raise ValueError(f"the weight of {code} is fixed, see docs/findings.md")
            if code not in CONFIGURABLE:
                raise ValueError(f"{code} is no code of the audit, see docs/findings.md")
        return given
