"""One evening as one value: everything the report shows, and nothing that it must fetch.

The report is a pure function of an ``EveningView``: the same view gives the same bytes. Whoever
gathers the view decides nothing about its looks; whoever draws it asks nobody anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.audit import AuditReport, Reconciliation
from afterclose.domain.contracts import Currency, RootSymbol
from afterclose.domain.findings import Finding, Scalar
from afterclose.domain.market import FxRates
from afterclose.domain.netting import Netting
from afterclose.domain.orders import Approval, ModelTrade
from afterclose.domain.runs import CurrencyRule, ModelRequest, ModelResult, RollRule, RunManifest
from afterclose.domain.sending import LimitFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model's night. Values are in ``base_currency``.

    ``capital_base`` is what the model was run with, ``capital_allocated`` what the desk gives it;
    quantities are scaled by the one over the other.
    """

    name: str
    first_session: date
    last_session: date
    net_asset_value: Decimal | None
    capital_base: Decimal
    capital_allocated: Decimal | None
    base_currency: Currency
    transactions: int
    positions: int
    orders_open: int
    rolls: RollRule
    currency: CurrencyRule
    #: Versions, fingerprints, seconds: whatever explains the run later.
    facts: Mapping[str, Scalar] = field(default_factory=dict)

    @classmethod
    def of(
        cls, request: ModelRequest, result: ModelResult, *, capital_allocated: Decimal | None
    ) -> ModelSummary:
        """Sum up one run; ``capital_allocated`` is in the request's base currency."""
        return cls(
            name=result.model,
            first_session=result.first_session,
            last_session=result.last_session,
            net_asset_value=Decimal(repr(result.net_asset_value)),
            capital_base=Decimal(repr(result.capital_base)),
            capital_allocated=capital_allocated,
            base_currency=Currency(request.base_currency),
            transactions=len(result.transactions),
            positions=len(result.positions),
            orders_open=len(result.open_orders),
            rolls=request.rolls,
            currency=request.currency,
            facts=result.facts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capital:
    """The money that tonight's sizes were made from, and the rule that chose it."""

    rule: str
    amount: Decimal | None
    currency: Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class DataState:
    """How fresh the market data is.

    ``late`` lists roots without a bar of the session, late ones and those that have no close on a
    holiday; ``revised`` what changed in past bars since the last run, None: nobody compared.
    """

    source: str
    last_session: date
    fingerprint: str
    roots: int
    late: tuple[Finding, ...] = ()
    revised: tuple[Finding, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is known of a contract that the account holds and tonight's basket does not touch.

    ``price`` is in IB price units, ``point_value`` is money per 1.0 of it; ``root`` is how the desk
    names it, where that is known.
    """

    sector: str
    price: Decimal | None
    point_value: Decimal | None
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EveningView:
    """Everything that the evening's report shows.

    ``other_rule_trades`` is what the rule that was *not* chosen would trade, None when that was
    not worked out. ``dropped`` says why a model's trade never became an order. ``digest`` is over
    basket, audit and account as shown here: the thing that an approval is bound to.
    """

    manifest: RunManifest
    models: tuple[ModelSummary, ...]
    trades: tuple[ModelTrade, ...]
    audit: AuditReport
    account: AccountSnapshot
    fx: FxRates
    capital: Capital
    data: DataState
    written_at: datetime
    digest: str = ""
    other_rule_trades: tuple[ModelTrade, ...] | None = None
    dropped: tuple[Finding, ...] = ()
    #: Whose trade each of ``dropped`` was, in the same order.
    dropped_of: tuple[str, ...] = ()
    #: Initial margin in the account's base, were all cleared orders filled; None: nobody said.
    margin_after: Decimal | None = None
    #: con_id → facts of positions that tonight's orders do not touch.
    marks: Mapping[int, Mark] = field(default_factory=dict)
    approval: Approval | None = None
    reconciliation: Reconciliation | None = None
    #: File name → SHA-256 of every artefact of the run so far.
    files: Mapping[str, str] = field(default_factory=dict)
    #: How all cleared rows would become orders; None: nobody worked it out.
    netting: Netting | None = None
    #: The limits at the door and what tonight comes to; None: nobody worked it out.
    limits: tuple[LimitFigure, ...] | None = None
    #: Model → markets that it wants and that stay at 0 after a flattening; None: nobody looked.
    kept_flat: Mapping[str, tuple[RootSymbol, ...]] | None = None
    notes: tuple[str, ...] = ()
