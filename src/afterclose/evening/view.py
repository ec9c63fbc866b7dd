"""What the report shows of an evening, gathered into one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from afterclose.domain.audit import AuditReport
from afterclose.domain.contracts import (
    RootSymbol,
)
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.netting import Netting
from afterclose.domain.orders import ExcludedTrade
from afterclose.domain.runs import (
    ModelResult,
    RunManifest,
    TradesFrom,
)
from afterclose.domain.sending import LimitFigure
from afterclose.evening.desk import Desk
from afterclose.evening.holdings import account_marks
from afterclose.report.evening import Capital, DataState, EveningView, ModelSummary
from afterclose.stages import (
    quality,
    signals,
    update,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewParts:
    """What the report shows, as the acts leave it."""

    manifest: RunManifest
    results: Sequence[ModelResult]
    tonight: Sequence[signals.ModelTonight]
    other: Sequence[signals.ModelTonight]
    audit: AuditReport
    live: MarketSnapshot
    money: Capital
    freshness: update.Freshness
    seen: quality.BarQuality
    excluded: Sequence[ExcludedTrade]
    digest: str
    files: Mapping[str, str]
    netting: Netting
    limits: tuple[LimitFigure, ...]
    kept_flat: Mapping[str, tuple[RootSymbol, ...]]


def view(desk: Desk, parts: ViewParts) -> EveningView:
    """Gather the report's view of a prepared evening."""
    return EveningView(
        manifest=parts.manifest,
        models=tuple(_summary(desk, r) for r in parts.results),
        trades=tuple(t for night in parts.tonight for t in night.trades),
        other_rule_trades=tuple(t for night in parts.other for t in night.trades),
        audit=parts.audit,
        account=parts.live.account,
        fx=parts.live.fx,
        capital=parts.money,
        data=DataState(
            source=desk.market.source,
            last_session=parts.freshness.session,
            fingerprint=parts.freshness.fingerprint,
            roots=parts.freshness.roots,
            late=tuple(parts.freshness.without_bar.values()),
            revised=tuple(parts.seen.revised.values()),
        ),
        written_at=desk.clock.now(),
        digest=parts.digest,
        margin_after=parts.audit.margin.initial_after if parts.audit.margin else None,
        dropped=tuple(f for e in parts.excluded for f in e.findings),
        dropped_of=tuple(e.model for e in parts.excluded for _ in e.findings),
        marks=account_marks(desk, parts.live.account, parts.freshness.session),
        files=parts.files,
        netting=parts.netting,
        limits=parts.limits,
        kept_flat=parts.kept_flat,
    )


def _summary(desk: Desk, result: ModelResult) -> ModelSummary:
    model = next(m for m in desk.settings.models if m.name == result.model)
    return ModelSummary(
        name=result.model,
        first_session=result.first_session,
        last_session=result.last_session,
        net_asset_value=Decimal(repr(result.net_asset_value)),
        capital_base=model.capital_base,
        capital_allocated=model.allocated or model.capital_base,
        base_currency=desk.base,
        transactions=len(result.transactions),
        positions=len(result.positions),
        orders_open=len(result.open_orders),
        rolls=desk.settings.engine.rolls,
        currency=desk.settings.engine.currency,
        facts=result.facts,
    )


def other_rule(rule: TradesFrom) -> TradesFrom:
    """Return the rule that was not chosen."""
    return TradesFrom.TRANSACTIONS if rule is TradesFrom.ORDERS else TradesFrom.ORDERS
