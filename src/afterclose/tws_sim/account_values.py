"""The account in the keys and currencies that account updates and summaries use."""

from __future__ import annotations

from decimal import Decimal

from afterclose.tws_sim.account import Account, PriceOf, RateOf, Totals

Value = tuple[str, str, str]
"""A key, its text and its currency (empty where the value is no money)."""

SUMMARY_TAGS = (
    *("AccountType", "NetLiquidation", "TotalCashValue", "SettledCash", "AccruedCash"),
    *("BuyingPower", "EquityWithLoanValue", "PreviousDayEquityWithLoanValue"),
    *("GrossPositionValue", "InitMarginReq", "MaintMarginReq", "AvailableFunds"),
    *("ExcessLiquidity", "Cushion", "FullInitMarginReq", "FullMaintMarginReq"),
    *("FullAvailableFunds", "FullExcessLiquidity", "LookAheadInitMarginReq"),
    *("LookAheadMaintMarginReq", "LookAheadAvailableFunds", "LookAheadExcessLiquidity"),
    *("LookAheadNextChange", "Leverage", "DayTradesRemaining", "HighestSeverity"),
)


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}"


def totals_values(totals: Totals, gross: Decimal, base: str) -> list[Value]:
    """Return the values of the whole account, in its base currency."""
    net = totals.net_liquidation
    initial, maintenance = totals.initial_margin, totals.maintenance_margin
    money = {
        "NetLiquidation": net,
        "TotalCashValue": totals.cash,
        "SettledCash": totals.cash,
        "AccruedCash": Decimal(0),
        "BuyingPower": max(Decimal(0), totals.available_funds) * 4,
        "EquityWithLoanValue": net,
        "PreviousDayEquityWithLoanValue": totals.cash,
        "GrossPositionValue": gross,
        "FuturesPNL": totals.unsettled,
    }
    for prefix in ("", "Full", "LookAhead"):
        money |= {
            f"{prefix}InitMarginReq": initial,
            f"{prefix}MaintMarginReq": maintenance,
            f"{prefix}AvailableFunds": totals.available_funds,
            f"{prefix}ExcessLiquidity": totals.excess_liquidity,
        }
    values = [(key, _text(amount), base) for key, amount in money.items()]
    cushion = totals.excess_liquidity / net if net else Decimal(0)
    leverage = gross / net if net else Decimal(0)
    plain = {
        "AccountType": "INDIVIDUAL",
        "Cushion": f"{cushion:.6f}",
        "Leverage": f"{leverage:.2f}",
        "LookAheadNextChange": "0",
        "DayTradesRemaining": "-1",
        "HighestSeverity": "0",
    }
    return values + [(key, text, "") for key, text in plain.items()]


def ledger_values(account: Account, totals: Totals, price: PriceOf, rate: RateOf) -> list[Value]:
    """Return cash, results and exchange rate per currency, and for ``BASE`` in total."""
    unrealized: dict[str, Decimal] = {}
    unsettled: dict[str, Decimal] = {}
    for position in account.positions.values():
        currency, now = position.listing.currency, price(position.listing)
        result, owed = position.unrealized(now), position.value(now) - position.basis
        unrealized[currency] = unrealized.get(currency, Decimal(0)) + result
        unsettled[currency] = unsettled.get(currency, Decimal(0)) + owed
    values: list[Value] = []
    for currency in sorted({*account.cash, *unrealized, *account.realized}):
        values += _ledger(
            currency,
            cash=account.cash.get(currency, Decimal(0)),
            unsettled=unsettled.get(currency, Decimal(0)),
            unrealized=unrealized.get(currency, Decimal(0)),
            realized=account.realized.get(currency, Decimal(0)),
            rate=account.to_base(currency, rate),
        )
    return values + _ledger(
        "BASE",
        cash=totals.cash,
        unsettled=totals.unsettled,
        unrealized=totals.unrealized,
        realized=totals.realized,
        rate=Decimal(1),
    )


def _ledger(
    currency: str,
    *,
    cash: Decimal,
    unsettled: Decimal,
    unrealized: Decimal,
    realized: Decimal,
    rate: Decimal,
) -> list[Value]:
    money = {
        "CashBalance": cash,
        "TotalCashBalance": cash,
        "NetLiquidationByCurrency": cash + unsettled,
        "FuturesPNL": unsettled,
        "UnrealizedPnL": unrealized,
        "RealizedPnL": realized,
    }
    values = [(key, _text(amount), currency) for key, amount in money.items()]
    exchange = rate.quantize(Decimal("0.00000001")).normalize()
    return [*values, ("ExchangeRate", f"{exchange:f}", currency), ("Currency", currency, currency)]
