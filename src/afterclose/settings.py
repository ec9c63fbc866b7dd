"""Settings of a desk: flags over environment over local file over file over defaults.

A desk is one folder with ``afterclose.toml`` (and, kept out of version control,
``afterclose.local.toml``). Environment variables are ``AFTERCLOSE_`` plus the section and the key,
``AFTERCLOSE_BROKER__PORT=4002``. Nothing else in the product reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from afterclose.domain.contracts import Rounding
from afterclose.domain.finding_codes import CONFIGURABLE, FIXED
from afterclose.domain.runs import CurrencyRule, Mode, RollRule, TradesFrom
from afterclose.domain.sending import PriceGuard, SendLimits
from afterclose.errors import ConfigError

SETTINGS_FILE = "afterclose.toml"
LOCAL_FILE = "afterclose.local.toml"

#: Ports by IB's own defaults: what listens there is paper or live.
PAPER_PORTS = frozenset({7497, 4002})
LIVE_PORTS = frozenset({7496, 4001})
#: Account prefixes: DU and DF are paper, U and F (adviser) are live.
PAPER_ACCOUNT = re.compile(r"^D[UF][A-Z0-9]*\d{3,}$")
LIVE_ACCOUNT = re.compile(r"^[UF]\d{3,}$")


class Weight(StrEnum):
    """How much a finding weighs, in a desk's own words."""

    INFO = "info"
    LOOK = "look"
    BLOCK = "block"


Fraction = Annotated[Decimal, Field(gt=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeskSettings(_Section):
    """Who we are: the desk's name is part of every order reference."""

    name: str = Field(default="desk", pattern=r"^[A-Za-z0-9_]{1,8}$")
    account: str = ""
    mode: Mode = Mode.PAPER
    reviewer: str = ""


class BrokerSettings(_Section):
    """Where the gateway listens. Reader and order desk use two client ids side by side."""

    host: str = "127.0.0.1"
    port: int = Field(default=7497, ge=1, le=65535)
    client_id: int = Field(default=17, ge=1)
    timeout_s: float = Field(default=20.0, gt=0)


class DataSource(StrEnum):
    """Where new bars come from."""

    #: Norgate Data, through the vendor's own package.
    NORGATE = "norgate"
    #: A folder of CSV or Parquet tables (docs/market-store.md).
    FOLDER = "folder"
    #: A folder of real history: contracts.parquet and its companions.
    HISTORY = "history"
    #: The generated market.
    GENERATED = "generated"


class DataSettings(_Section):
    """Market data."""

    store: Path = Path("store")
    source: DataSource | None = None
    #: The folder of the sources that read one.
    folder: Path | None = None
    #: Markets to keep; empty: all that the source has.
    roots: tuple[str, ...] = ()
    seed: int = 0
    #: Above this share of late markets the whole evening is blocked, not only their rows.
    max_late_share: Fraction = Decimal("0.25")


class ModelSettings(_Section):
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
    parameters: dict[str, str | int | float | bool] = {}

    @property
    def scale(self) -> Decimal:
        """Account quantity per model quantity."""
        allocated = self.capital_base if self.allocated is None else self.allocated
        return allocated / self.capital_base


class EngineSettings(_Section):
    """How the models are run."""

    rolls: RollRule = RollRule.CAUSAL
    currency: CurrencyRule = CurrencyRule.ACCOUNT
    base_currency: str = "USD"
    time_limit_s: float = Field(default=3600.0, gt=0)


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


class BasketSettings(_Section):
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
    #: Positions the model holds and the desk does not: opened only on request.
    catch_up_entries: bool = False


class AuditSettings(_Section):
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
    max_contracts: dict[str, int] = {}
    #: What tonight's openings may lose to their stops, as fractions of the capital.
    max_sector_risk: Fraction | None = None
    max_total_risk: Fraction | None = None
    #: Value of all contracts over net liquidation; and how much of it one part may be.
    max_gross_leverage: Annotated[Decimal, Field(gt=0)] | None = Decimal(20)
    max_sector_share: Fraction | None = None
    max_currency_share: Fraction | None = None
    #: Code → "info", "look" or "block", see docs/findings.md.
    severities: dict[str, Weight] = {}

    @field_validator("severities")
    @classmethod
    def _only_codes_that_may_be_weighed(cls, given: dict[str, Weight]) -> dict[str, Weight]:
        for code in given:
            if code in FIXED:
                raise ValueError(f"the weight of {code} is fixed, see docs/findings.md")
            if code not in CONFIGURABLE:
                raise ValueError(f"{code} is no code of the audit, see docs/findings.md")
        return given


class ReviewSettings(_Section):
    """A person's approval."""

    valid_for_hours: float = Field(default=12.0, gt=0, le=12)


class LimitSettings(_Section):
    """Limits of last resort, at the door; a live desk must set every one of them.

    Notional values are in the base currency. ``price_band`` is a fraction of the last close.
    """

    orders_per_evening: int | None = Field(default=None, gt=0)
    quantity_per_order: int | None = Field(default=None, gt=0)
    notional_per_order: Decimal | None = Field(default=None, gt=0)
    notional_per_root: Decimal | None = Field(default=None, gt=0)
    notional_total: Decimal | None = Field(default=None, gt=0)
    price_band: Fraction | None = None

    def as_limits(self) -> SendLimits:
        """Return them as the door wants them."""
        return SendLimits(**self.model_dump())


class SendingSettings(_Section):
    """The price guard at the moment of sending. Orders that close are exempt by default."""

    #: How far the market may be from the limit, as a fraction of it.
    max_drift: Fraction = Decimal("0.05")
    guard_exits: bool = False
    #: Whether an order goes that the guard cannot judge, since its market is not known.
    send_without_quote: bool = False
    #: How long an order may stay without any word before the broker's book is asked for it.
    answer_timeout_s: float = Field(default=30.0, gt=0)

    def as_guard(self) -> PriceGuard:
        """Return the guard as the door wants it."""
        return PriceGuard(
            max_drift=self.max_drift,
            guard_exits=self.guard_exits,
            send_without_quote=self.send_without_quote,
        )


class Settings(BaseSettings):
    """All settings of one desk. Frozen; an unknown key is an error, not a guess."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="AFTERCLOSE_", env_nested_delimiter="__"
    )

    home: Path = Path()
    desk: DeskSettings = DeskSettings()
    broker: BrokerSettings = BrokerSettings()
    data: DataSettings = DataSettings()
    models: tuple[ModelSettings, ...] = ()
    engine: EngineSettings = EngineSettings()
    basket: BasketSettings = BasketSettings()
    audit: AuditSettings = AuditSettings()
    review: ReviewSettings = ReviewSettings()
    limits: LimitSettings = LimitSettings()
    sending: SendingSettings = SendingSettings()
    mapping: Path | None = None
    ledger: str = "sqlite:///ledger.sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, local file, file."""
        home = Path(str(init_settings.init_kwargs.get("home", ".")))  # type: ignore[attr-defined]
        files = (home / LOCAL_FILE, home / SETTINGS_FILE)
        tomls = [_toml(settings_cls, f) for f in files if f.is_file()]
        return (init_settings, env_settings, *tomls)

    @model_validator(mode="after")
    def _mode_port_and_account_agree(self) -> Self:
        account, mode, port = self.desk.account, self.desk.mode, self.broker.port
        if mode is Mode.PAPER and port in LIVE_PORTS:
            raise ValueError(
                f"desk.mode is paper but broker.port {port} is a live port (7496, 4001)"
            )
        if mode is Mode.LIVE and port in PAPER_PORTS:
            raise ValueError(
                f"desk.mode is live but broker.port {port} is a paper port (7497, 4002)"
            )
        unset = self.limits.as_limits().unset()
        if mode is Mode.LIVE and unset:
            raise ValueError(f"desk.mode is live but limits.{', limits.'.join(unset)} not set")
        if account:
            expected = PAPER_ACCOUNT if mode is Mode.PAPER else LIVE_ACCOUNT
            if not expected.fullmatch(account):
                kind = "DU or DF" if mode is Mode.PAPER else "U or F"
                raise ValueError(
                    f"desk.account {account} is no {mode.value} account: those start with {kind}"
                )
        if self.audit.capital is CapitalSource.FIXED and self.audit.fixed_capital is None:
            raise ValueError("audit.capital is fixed but audit.fixed_capital is not given")
        names = [m.name for m in self.models]
        if len(set(names)) != len(names):
            raise ValueError(f"models: two of them have one name: {', '.join(sorted(names))}")
        return self

    def resolve(self, path: Path) -> Path:
        """Return a path of the settings, relative ones below the desk's folder."""
        return path if path.is_absolute() else self.home / path

    @property
    def runs(self) -> Path:
        """Folder of the run folders."""
        return self.home / "runs"

    @property
    def ledger_url(self) -> str:
        """Database URL; a relative SQLite file lies in the desk's folder."""
        prefix = "sqlite:///"
        if self.ledger.startswith(prefix):
            file = self.resolve(Path(self.ledger.removeprefix(prefix)))
            return prefix + file.resolve().as_posix()
        return self.ledger


def _toml(settings_cls: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    try:
        return TomlConfigSettingsSource(settings_cls, path)
    except ValueError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}", hint="correct the line it names"
        ) from error


def _refuse_unknown_variables() -> None:
    """A misspelled section in the environment would otherwise be passed over in silence."""
    sections = {name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):  # noqa: TID251 - the one place
        section, nested, _ = variable.upper().removeprefix("AFTERCLOSE_").partition("__")
        if variable.upper().startswith("AFTERCLOSE_") and nested and section not in sections:
            raise ConfigError(
                f"the environment variable {variable} names no setting",
                hint=f"sections are {', '.join(sorted(sections))}; or unset it",
            )


def load(home: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of a desk. Raises ConfigError with every mistake and where it is."""
    _refuse_unknown_variables()
    try:
        return Settings(home=home, **dict(overrides or {}))
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(p) for p in e['loc']) or 'settings'}: {e['msg']}"
            for e in error.errors()
        ]
        raise ConfigError(
            "the settings are not usable:\n  " + "\n  ".join(lines),
            hint=f"correct them in {home / SETTINGS_FILE}, in AFTERCLOSE_… or in the flags",
        ) from error
    except SettingsError as error:  # a variable that should hold JSON and does not
        raise ConfigError(
            f"an AFTERCLOSE_… variable cannot be read: {error}",
            hint="write lists and tables of the environment as JSON",
        ) from error


def real_data_folder() -> Path | None:
    """Folder with real futures history, for benchmarks and rehearsals; None where there is none."""
    text = os.environ.get("AFTERCLOSE_REAL_DATA", "")  # noqa: TID251 - the one place
    return Path(text) if text else None
