"""The models, their capital, and how they are run."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import Field, field_validator

from afterclose.domain.netting import NET_NAME
from afterclose.domain.runs import (
    CommissionRule,
    CurrencyRule,
    Engine,
    FeePer,
    RollRule,
    SlippageName,
    SlippageRule,
)
from afterclose.settings.section import Section

_DAY = "%Y-%m-%d"


class ModelSettings(Section):
    """One model and the capital it runs on."""

    #: Letters, digits and underscores; NET stands for all models together.
    name: str = Field(pattern=r"^[A-Za-z0-9_]{1,8}$")
    entry_point: str
    #: Start of the model, flat: yyyy-mm-dd. Its indicators are warmed by the bars before.
    inception: str = ""
    #: Capital the model counts in; fixed, nothing compounds into it from the account.
    capital_base: Decimal = Field(default=Decimal(1_000_000), gt=0)
    #: Capital of the account that follows it; quantities scale by allocated / capital_base.
    allocated: Decimal | None = Field(default=None, gt=0)
    #: Positions of the account that the model takes over at inception, instead of starting flat:
    #: symbol → contracts, signed.
    adopt: dict[str, int] = Field(default_factory=dict)
    #: Markets offered to the model; empty: all that the store has.
    roots: tuple[str, ...] = ()
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _not_all_together(cls, given: str) -> str:
        if given == NET_NAME:
            raise ValueError(f"{NET_NAME} names orders of several models; give it another name")
        return given

    @field_validator("inception", mode="before")
    @classmethod
    def _a_day(cls, given: object) -> object:
        """Take a day of TOML's own, too; not a moment, and no other way to write a day."""
        if isinstance(given, date) and not isinstance(given, datetime):
            return given.isoformat()
        if isinstance(given, str) and given:
            try:
                read = datetime.strptime(given, _DAY).date()  # noqa: DTZ007 - a day has no zone
            except ValueError:
                read = None
            if read is None or read.isoformat() != given:
                raise ValueError(
                    f"{given!r} is no day as it is written here, yyyy-mm-dd: 2026-11-27"
                )
        return given

    @property
    def scale(self) -> Decimal:
        """Account quantity per model quantity."""
        allocated = self.capital_base if self.allocated is None else self.allocated
        return allocated / self.capital_base


class CommissionSettings(Section):
    """What a contract costs in the simulation, in the base currency. Replaces the models' own."""

    per_contract: float = Field(ge=0)
    exchange_fee: float = Field(default=0.0, ge=0)
    #: Zipline takes the fee once per order, however many contracts: "order" does as it does.
    fee_per: FeePer = FeePer.CONTRACT
    #: Other commissions for some markets.
    by_root: dict[str, float] = Field(default_factory=dict)

    def as_rule(self) -> CommissionRule:
        """Return it as a run knows it."""
        return CommissionRule(
            per_contract=self.per_contract,
            exchange_fee=self.exchange_fee,
            fee_per=self.fee_per,
            by_root=dict(self.by_root),
        )


class SlippageSettings(Section):
    """Zipline's slippage model in the simulation, and its numbers. Replaces the models' own."""

    model: SlippageName
    #: Share of a bar's volume that may be filled: volatility, volume, basis points.
    volume_limit: float = Field(default=0.2, gt=0, le=1)
    #: volume.
    price_impact: float = Field(default=0.1, ge=0)
    #: basis points.
    basis_points: float = Field(default=5.0, ge=0)
    #: fixed; in vendor prices.
    spread: float = Field(default=0.0, ge=0)

    def as_rule(self) -> SlippageRule:
        """Return it as a run knows it."""
        return SlippageRule(
            model=self.model,
            volume_limit=self.volume_limit,
            price_impact=self.price_impact,
            basis_points=self.basis_points,
            spread=self.spread,
        )


class EngineSettings(Section):
    """How the models are run."""

    #: "desk": Zipline on the market store. "stock": plain Zipline on a bundle exported for it.
    engine: Engine = Engine.DESK
    rolls: RollRule = RollRule.CAUSAL
    currency: CurrencyRule = CurrencyRule.ACCOUNT
    base_currency: str = "USD"
    time_limit_s: float = Field(default=3600.0, gt=0)
    #: Models that run at the same time.
    workers: int = Field(default=2, ge=1)
    #: Scheduler of a dask.distributed cluster that runs them instead (tcp://host:port).
    cluster: str = ""
    commission: CommissionSettings | None = None
    slippage: SlippageSettings | None = None
