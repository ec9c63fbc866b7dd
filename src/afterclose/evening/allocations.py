"""What the models are given, against what the account is worth."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import MarketSnapshot
from afterclose.settings import Settings
from afterclose.stages import snapshot


def adding_barred(
    settings: Settings, live: MarketSnapshot, histories: Mapping[str, Finding]
) -> Mapping[str, tuple[Finding, ...]]:
    """Return why models may add nothing: their past changed, or the account is too small."""
    crowded = _crowded_account(settings, live)
    found = {m.name: (histories.get(m.name), crowded) for m in settings.models}
    return {model: tuple(f for f in both if f is not None) for model, both in found.items()}


def _crowded_account(settings: Settings, live: MarketSnapshot) -> Finding | None:
    """AC519: the models together must not be given more than the account is worth."""
    given = sum((m.allocated or m.capital_base for m in settings.models), Decimal(0))
    account = live.account
    worth = snapshot.capital_in_base(account, live.fx, account.net_liquidation)
    if worth is None or given <= worth:
        return None  # an account that does not tell is blocked for that already
    return Finding(
        code="AC519",
        severity=Severity.BLOCK,
        subject=account.account,
        message=(
            f"the models are allocated {given:,.0f} together, the account is worth {worth:,.0f} "
            f"{settings.engine.base_currency}"
        ),
        hint="set 'allocated' of each model so that all of them fit into the account",
        evidence={"allocated": str(given), "net_liquidation": str(worth)},
    )
