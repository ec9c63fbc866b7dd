"""Model runs and evenings: what was asked, what came out, and the record of a night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from afterclose.domain.findings import Scalar
from afterclose.domain.history import HistoryDrift


class Mode(StrEnum):
    """Whose money it is."""

    PAPER = "paper"
    LIVE = "live"


class RollRule(StrEnum):
    """How the continuation chooses its contract."""

    #: Only data up to the bar: tonight's choice and its later replay agree.
    CAUSAL = "causal"
    #: Zipline's own finder, which looks up to 90 sessions ahead in a backtest.
    ZIPLINE = "zipline"


class CurrencyRule(StrEnum):
    """In which currency a model sizes and counts."""

    #: Point values are converted with the exchange rate of the day.
    ACCOUNT = "account"
    #: Every point value is taken as dollars, as Zipline does.
    NATIVE = "native"


class Engine(StrEnum):
    """What runs a model."""

    #: Zipline on the market store.
    DESK = "desk"
    #: Plain ``zipline.run_algorithm`` on an exported bundle: slow, with a bundle's prices.
    STOCK = "stock"


class FeePer(StrEnum):
    """How often an exchange takes its fee."""

    CONTRACT = "contract"
    #: Zipline's own way: once per order, however many contracts.
    ORDER = "order"


class SlippageName(StrEnum):
    """Zipline's slippage models for futures."""

    #: ``VolatilityVolumeShare``: a share of the volume, impact by volatility.
    VOLATILITY = "volatility"
    #: ``VolumeShareSlippage``: a share of the volume, impact by that share squared.
    VOLUME = "volume"
    #: ``FixedBasisPointsSlippage``: a share of the volume, a fixed part of the price.
    BASIS_POINTS = "basis points"
    #: ``FixedSlippage``: whole orders, half a fixed spread.
    FIXED = "fixed"
    #: ``NoSlippage``: whole orders, at the close.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionRule:
    """What a fill costs, in the base currency.

    ``by_root`` overrides ``per_contract`` for some markets. ``exchange_fee`` is taken per contract,
    or, as Zipline's ``PerContract`` has it, once per order.
    """

    per_contract: float
    exchange_fee: float = 0.0
    fee_per: FeePer = FeePer.CONTRACT
    by_root: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageRule:
    """Zipline's slippage model and its numbers; each model takes those that it knows.

    ``volume_limit`` is the share of a bar's volume that may be filled, ``spread`` is in vendor
    prices, ``basis_points`` in hundredths of a percent of the price.
    """

    model: SlippageName
    volume_limit: float = 0.2
    price_impact: float = 0.1
    basis_points: float = 5.0
    spread: float = 0.0


class TradesFrom(StrEnum):
    """Which model trades are tonight's."""

    #: Orders still open at the end of the run: decided tonight, not yet filled in the model.
    ORDERS = "orders"
    #: Fills of the last session: decided one session earlier (the rule of a transactions file).
    TRANSACTIONS = "transactions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model as the desk names it. ``entry_point`` is a module or a path to a Python file."""

    name: str
    entry_point: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One run of one model. Bars before ``first_session`` warm its indicators.

    ``first_session`` is the inception: the model starts flat there with ``capital_base`` in
    ``base_currency``. ``output`` is the folder for result files and the log. ``adopt`` are
    positions (symbol → contracts of the model, signed) that it takes over at the close of its first
    session, at that close and without cost, instead of starting flat. ``commission`` and
    ``slippage`` replace what the model sets by itself; None leaves that to the model.
    """

    model: ModelRef
    store: Path
    first_session: date
    last_session: date
    capital_base: float
    output: Path
    base_currency: str = "USD"
    rolls: RollRule = RollRule.CAUSAL
    currency: CurrencyRule = CurrencyRule.ACCOUNT
    roots: tuple[str, ...] = ()
    time_limit_s: float = 3600.0
    adopt: Mapping[str, int] = field(default_factory=dict)
    commission: CommissionRule | None = None
    slippage: SlippageRule | None = None


#: How the order id of a fill begins that took a position over at inception.
ADOPTED = "adopted-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTransaction:
    """One fill in the model. An empty ``order_id`` is an automatic close, without an order."""

    session: date
    symbol: str
    amount: int
    price: float
    order_id: str

    @property
    def adopted(self) -> bool:
        """Whether it is a position taken over at inception, and no trade."""
        return self.order_id.startswith(ADOPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPosition:
    """A position at the end of the run, before tonight's orders are filled."""

    symbol: str
    amount: int
    last_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOrder:
    """An order still open at the end of the run. ``amount`` and ``filled`` are signed.

    ``reason`` and ``stop_level`` (vendor price) are what the model recorded, if it did.
    """

    symbol: str
    amount: int
    filled: int
    created: date
    order_id: str
    limit: float | None = None
    stop: float | None = None
    reason: str = ""
    stop_level: float | None = None

    @property
    def remaining(self) -> int:
        """What is still to be filled, signed."""
        return self.amount - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoClose:
    """A position that Zipline closes by itself on ``auto_close``.

    No order of a later evening could fill before that: tonight is the last chance to trade it.
    """

    symbol: str
    amount: int
    auto_close: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """What one model did and wants. Prices are vendor prices; values are in the base currency."""

    model: str
    first_session: date
    last_session: date
    capital_base: float
    transactions: tuple[ModelTransaction, ...]
    positions: tuple[ModelPosition, ...]
    open_orders: tuple[ModelOrder, ...]
    auto_closes: tuple[AutoClose, ...]
    #: One value per simulated session, in order.
    portfolio_value: tuple[tuple[date, float], ...]
    #: Last known close (vendor price) and its session, per contract held or ordered.
    last_closes: Mapping[str, tuple[date, float]]
    #: Versions, fingerprints, seconds: whatever explains the run later.
    facts: Mapping[str, Scalar]
    #: File name → path of every file the run left.
    files: Mapping[str, Path] = field(default_factory=dict)
    #: Against the run of an earlier evening; None where there was none.
    drift: HistoryDrift | None = None

    @property
    def net_asset_value(self) -> float:
        """The model's value at the end of the run."""
        return self.portfolio_value[-1][1] if self.portfolio_value else self.capital_base


class RunState(StrEnum):
    """Where an evening stands. ``NO_TRADES`` is an outcome with its proof, not an absence."""

    STARTED = "started"
    PREPARED = "prepared"
    NO_TRADES = "no_trades"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUBMITTED = "submitted"
    SETTLED = "settled"
    ABORTED = "aborted"

    @property
    def words(self) -> str:
        """The state as a person reads it."""
        return self.value.replace("_", " ")


#: Orders have left. From every other state nothing of the evening was sent.
SENT = frozenset({RunState.SUBMITTED, RunState.SETTLED})

#: From which states a decision, a sending and a settling are not possible, and what to do instead.
#: Everything else may be repeated: what was done is found, and done once.
BARRED: Mapping[RunState, Mapping[RunState, str]] = {
    RunState.APPROVED: {
        RunState.STARTED: "it was not prepared to its end: 'afterclose run' begins it again",
        RunState.NO_TRADES: "there is nothing to decide: the models trade nothing",
        RunState.SETTLED: "it is settled: 'afterclose run' prepares what is left",
    },
    RunState.REJECTED: {
        RunState.STARTED: "it was not prepared to its end: 'afterclose run' begins it again",
        RunState.NO_TRADES: "there is nothing to decide: the models trade nothing",
        RunState.SUBMITTED: "its orders have left: 'afterclose halt' cancels what works",
        RunState.SETTLED: "its orders have left, and it is settled",
    },
    RunState.SUBMITTED: {
        RunState.STARTED: "it was not prepared to its end: 'afterclose run' begins it again",
        RunState.NO_TRADES: "there is nothing to send: the models trade nothing",
    },
    RunState.SETTLED: {
        RunState.STARTED: "it was not prepared to its end: 'afterclose run' begins it again",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of one run, as the manifest keeps it."""

    name: str
    status: str
    started: datetime
    finished: datetime
    artefacts: tuple[str, ...] = ()
    findings: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunManifest:
    """The first page of a run folder: what ran, on what, and how far it came."""

    run_id: str
    session: date
    mode: Mode
    account: str
    state: RunState
    code_version: str
    inputs_digest: str
    trades_from: TradesFrom
    stages: tuple[StageRecord, ...] = ()
    notes: Mapping[str, Scalar] = field(default_factory=dict)
