"""The checks, in the order they are run. Each looks at one row and yields what it finds.

Openings and closings are judged differently: what is missing to price or size an order blocks an
opening and is shown on a closing, because staying in a position is not the safe side of an exit.
"""

from __future__ import annotations

from afterclose.domain.findings import Finding
from afterclose.stages.audit import contract_checks, order_checks, price_checks
from afterclose.stages.audit.context import Check, RowContext

CHECKS: tuple[Check, ...] = (
    contract_checks.contract_not_named,
    contract_checks.facts_differ,
    contract_checks.last_trade_unusual,
    contract_checks.point_value_differs,
    contract_checks.vendor_unknown,
    contract_checks.off_tick,
    contract_checks.expired,
    contract_checks.last_trade_unknown,
    contract_checks.in_close_out_window,
    contract_checks.first_notice_unknown,
    contract_checks.market_closed,
    price_checks.missing_price,
    price_checks.stale_bar,
    price_checks.forming_bar,
    price_checks.unit_or_level,
    price_checks.closes_differ,
    price_checks.drift,
    price_checks.quote_not_live,
    price_checks.insufficient_volume,
    price_checks.exit_may_not_fill,
    price_checks.exit_reason_gone,
    price_checks.stop_already_crossed,
    order_checks.wrong_account,
    order_checks.position_unknown,
    order_checks.position_differs,
    order_checks.reversal_not_covered,
    order_checks.working_order_there,
    order_checks.already_sent,
    order_checks.models_opposed,
)


def run_checks(row: RowContext) -> tuple[Finding, ...]:
    """Run every check, in the order of the tuple."""
    return tuple(finding for check in CHECKS for finding in check(row))
