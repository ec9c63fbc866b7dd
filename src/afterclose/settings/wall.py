"""The wall between paper and live: mode, port, account and the list of accounts must agree."""

from __future__ import annotations

import re

from afterclose.domain.runs import Mode
from afterclose.settings.desk import BrokerSettings, DeskSettings
from afterclose.settings.sending import LimitSettings

#: Ports by IB's own defaults: what listens there is paper or live.
PAPER_PORTS = frozenset({7497, 4002})
LIVE_PORTS = frozenset({7496, 4001})
#: Account prefixes: DU and DF are paper, U and F (adviser) are live.
PAPER_ACCOUNT = re.compile(r"^D[UF][A-Z0-9]*\d{3,}$")
LIVE_ACCOUNT = re.compile(r"^[UF]\d{3,}$")


def disagreement(desk: DeskSettings, broker: BrokerSettings, limits: LimitSettings) -> str:
    """Say what of mode, port, account, list and limits does not fit; empty when all does."""
    checks = (_port(desk, broker), _limits(desk, limits), _account(desk), _listed(desk))
    return next((against for against in checks if against), "")


def _port(desk: DeskSettings, broker: BrokerSettings) -> str:
    port = broker.port
    if desk.mode is Mode.PAPER and port in LIVE_PORTS:
        return f"desk.mode is paper but broker.port {port} is a live port (7496, 4001)"
    if desk.mode is Mode.LIVE and port in PAPER_PORTS:
        return f"desk.mode is live but broker.port {port} is a paper port (7497, 4002)"
    return ""


def _limits(desk: DeskSettings, limits: LimitSettings) -> str:
    unset = limits.as_limits().unset()
    if desk.mode is Mode.LIVE and unset:
        return f"desk.mode is live but limits.{', limits.'.join(unset)} not set"
    return ""


def _account(desk: DeskSettings) -> str:
    expected = PAPER_ACCOUNT if desk.mode is Mode.PAPER else LIVE_ACCOUNT
    if desk.account and not expected.fullmatch(desk.account):
        kind = "DU or DF" if desk.mode is Mode.PAPER else "U or F"
        return (
            f"desk.account {desk.account} is no {desk.mode.value} account: those start with {kind}"
        )
    return ""


def _listed(desk: DeskSettings) -> str:
    """A live account must be written down twice; a paper one may be."""
    listed = desk.allowed_accounts
    if desk.mode is Mode.LIVE and desk.account and not listed:
        return "desk.mode is live but desk.allowed_accounts is not set: list the account there too"
    if desk.account and listed and desk.account not in listed:
        return f"desk.account {desk.account} is not in desk.allowed_accounts ({', '.join(listed)})"
    return ""
