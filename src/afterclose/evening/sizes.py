"""The money that entries are sized from, and the settings as the audit's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from afterclose.domain.account import AccountSnapshot
from afterclose.domain.contracts import (
    Currency,
)
from afterclose.domain.findings import Severity
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import BasketOrder
from afterclose.domain.runs import (
    CurrencyRule,
    ModelResult,
)
from afterclose.evening.desk import Desk
from afterclose.report.evening import Capital
from afterclose.settings import CapitalSource, Settings, Weight
from afterclose.stages import (
    audit,
    sizing,
    snapshot,
)


def capital(settings: Settings, account: AccountSnapshot, live: MarketSnapshot) -> Capital:
    """Return the money that entries are sized from, in the base currency; None when unknown."""
    base = Currency(settings.engine.base_currency)
    source = settings.audit.capital
    if source is CapitalSource.FIXED:
        amount = settings.audit.fixed_capital
    elif source is CapitalSource.USD_CASH:
        dollars, rate = account.cash.get(Currency("USD")), live.fx.rate(Currency("USD"))
        amount = None if dollars is None or rate is None else dollars * rate
    else:
        figure = (
            account.net_liquidation
            if source is CapitalSource.NET_LIQUIDATION
            else account.available_funds
        )
        amount = snapshot.capital_in_base(account, live.fx, figure)
    return Capital(rule=source.value, amount=amount, currency=base)


def size_openings(
    desk: Desk,
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    money: Capital,
    results: Iterable[ModelResult],
) -> dict[str, audit.SizedRow]:
    """Size every order that opens; closings and roll legs follow what is held."""
    models = {r.model: _model_money(desk, r) for r in results}
    return sized_rows(desk.settings, orders, live, money, models)


def sized_rows(
    settings: Settings,
    orders: Iterable[BasketOrder],
    live: MarketSnapshot,
    money: Capital,
    models: Mapping[str, sizing.ModelMoney],
) -> dict[str, audit.SizedRow]:
    """Size by the settings' rules; ``models`` are those whose own sizes can be explained."""
    chosen = settings.audit
    sized = sizing.size_all(
        orders,
        live,
        sizing.Money(
            capital=money.amount,
            sector_fraction=chosen.max_sector_risk,
            total_fraction=chosen.max_total_risk,
        ),
        sizing.SizingRules(
            risk_fraction=chosen.risk_fraction,
            window=chosen.band_window,
            width=chosen.band_width,
            policy=sizing.Policy(chosen.size.value),
            max_volume_share=chosen.max_volume_share,
            max_contracts=chosen.max_contracts,
            max_order_contracts=chosen.max_order_contracts,
        ),
        models,
    )
    return {
        ref: audit.SizedRow(
            sizing=row.sizing, quantity=row.quantity, mismatch=row.mismatch, findings=row.findings
        )
        for ref, row in sized.items()
    }


def _model_money(desk: Desk, result: ModelResult) -> sizing.ModelMoney:
    """What a model sizes with: its own value, and its own ``risk_factor`` where it has one."""
    model = next(m for m in desk.settings.models if m.name == result.model)
    own = model.parameters.get("risk_factor")
    fraction = desk.settings.audit.risk_fraction if own is None else Decimal(str(own))
    return sizing.ModelMoney(
        budget=Decimal(repr(result.net_asset_value)) * model.scale * fraction,
        scale=model.scale,
        native=desk.settings.engine.currency is CurrencyRule.NATIVE,
    )


def audit_rules(settings: Settings, *, execute_on: date) -> audit.AuditRules:
    """Turn the settings into the limits of the checks."""
    chosen = settings.audit
    return audit.AuditRules(
        max_deviation=chosen.max_deviation,
        execute_on=execute_on,
        max_drift_moves=chosen.max_drift_moves,
        max_gross_leverage=chosen.max_gross_leverage,
        max_sector_share=chosen.max_sector_share,
        max_currency_share=chosen.max_currency_share,
        max_margin_share=chosen.max_margin_share,
        max_volume_share=chosen.max_volume_share,
        mode=settings.desk.mode,
        netted=settings.basket.net,
        severities={code: _SEVERITIES[weight] for code, weight in chosen.severities.items()},
    )


_SEVERITIES = {
    Weight.INFO: Severity.INFO,
    Weight.LOOK: Severity.WARN,
    Weight.BLOCK: Severity.BLOCK,
}
