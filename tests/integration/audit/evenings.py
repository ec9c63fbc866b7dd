"""An evening against the paper gateway: what the gateway trades, asked for by our own facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from afterclose import tws_sim
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.ibkr.reader import IbkrReader
from afterclose.domain.audit import AuditReport, AuditRow
from afterclose.domain.contracts import (
    ContractMonth,
    Currency,
    FuturesContract,
    MappedContract,
    RootSymbol,
)
from afterclose.domain.market import MarketSnapshot
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.stages import audit, sizing, snapshot
from afterclose.tws_sim.directory import Directory
from integration.ibkr.gateways import GatewayTime
from unit.ibkr.ibkr_values import ACCOUNT

SESSION, TOMORROW = date(2025, 12, 1), date(2025, 12, 2)
#: 16:30 in Chicago: the session of 1 December is over, that of the 2nd opens in half an hour.
EVENING = datetime(2025, 12, 1, 22, 30, tzinfo=UTC)
Start = Callable[..., tws_sim.RunningGateway]


def mapped(root: str, yyyymm: str) -> MappedContract:
    contract = FuturesContract(RootSymbol(root), ContractMonth.from_yyyymm(yyyymm))
    return MappedContract(contract=contract, spec=packaged_specs()[contract.root])


@lru_cache
def _directory(market: tws_sim.Market) -> Directory:
    return Directory(market, SESSION)


def vendor_close(market: tws_sim.Market, contract: FuturesContract) -> Decimal:
    """The close of the evening in the vendor's unit, as the market's files have it."""
    listing = _directory(market).by_root(contract.root, contract.month.yyyymm)
    assert listing is not None, contract
    bar = market.history(listing).last(SESSION)
    assert bar is not None, contract
    return bar.close


def order(
    market: tws_sim.Market, what: MappedContract, signed: int, *, kind: TradeKind
) -> BasketOrder:
    """An order at the last close, made into IB's unit and put on the tick by our own code."""
    price = what.spec.to_ib(vendor_close(market, what.contract))
    effect = "C" if kind.closes else "O"
    return BasketOrder(
        order_ref=f"desk-20251201-TF-{what.contract.symbol}-{effect}1",
        model="TF",
        mapped=what,
        action=Action.of(signed),
        quantity=abs(signed),
        kind=kind,
        limit_price=what.spec.to_tick(price),
        account=ACCOUNT,
        session=SESSION,
        trade_id=f"TF/2025-12-01/{what.contract.symbol}",
        model_quantity=abs(signed),
        held_before=-signed if kind.closes else 0,
        reference_price=price,
    )


def four_orders(market: tws_sim.Market) -> tuple[BasketOrder, ...]:
    """Three entries, one of them in euros, and the exit of what is held."""
    entry, exit_ = TradeKind.ENTRY, TradeKind.EXIT
    return (
        order(market, mapped("ES", "202512"), 2, kind=entry),
        order(market, mapped("HG", "202603"), 3, kind=entry),
        order(market, mapped("FESX", "202512"), 5, kind=entry),
        order(market, mapped("CL", "202602"), -2, kind=exit_),
    )


async def snapshot_of(
    reader: IbkrReader, gateway: tws_sim.RunningGateway, orders: Sequence[BasketOrder]
) -> MarketSnapshot:
    """What the gateway says of these orders' contracts and of the account."""
    request = snapshot.SnapshotRequest(
        session=SESSION,
        account=ACCOUNT,
        contracts=tuple(o.mapped for o in orders),
        sessions=25,
        base=Currency("USD"),
    )
    return await snapshot.run(reader, request, GatewayTime(gateway))


async def audited(
    reader: IbkrReader,
    gateway: tws_sim.RunningGateway,
    orders: Sequence[BasketOrder],
    *,
    capital: Decimal | None = None,
) -> AuditReport:
    """Snapshot, sizing and audit, as an evening does them; sized from net liquidation."""
    live = await snapshot_of(reader, gateway, orders)
    worth = snapshot.capital_in_base(live.account, live.fx, live.account.net_liquidation)
    sized = sizing.size_all(
        orders,
        live,
        sizing.Money(capital=worth if capital is None else capital),
        sizing.SizingRules(risk_fraction=Decimal("0.005")),
        {},
    )
    return audit.audit(
        audit.AuditInputs(
            run_id="2025-12-01-rehearse",
            account=ACCOUNT,
            orders=orders,
            sized={ref: sized_row(row) for ref, row in sized.items()},
            notes={},
            snapshot=live,
            rules=audit.AuditRules(max_deviation=Decimal("0.005"), execute_on=TOMORROW),
        )
    )


def sized_row(row: sizing.Sized) -> audit.SizedRow:
    return audit.SizedRow(
        sizing=row.sizing, quantity=row.quantity, mismatch=row.mismatch, findings=row.findings
    )


def by_root(report: AuditReport) -> Mapping[str, AuditRow]:
    return {row.order.contract.root: row for row in report.rows}


def blocked(report: AuditReport) -> set[str]:
    """Roots whose row does not go."""
    return {root for root, row in by_root(report).items() if row.final_order() is None}


def codes(rows: Iterable[AuditRow]) -> set[str]:
    return {f.code for row in rows for f in row.findings}
