"""Reading requests: the contract block, and placeOrder with its hundred-odd fields in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from afterclose.tws_sim.directory import ContractQuery
from afterclose.tws_sim.messages import ZONE
from afterclose.tws_sim.orders import Ticket
from afterclose.tws_sim.wire import FieldReader, WireError

_FA_PROFILE_GONE, _DURATION, _POST_TO_ATS, _AUTO_CANCEL_PARENT = 177, 158, 160, 162
_ERROR_OVERRIDE, _MANUAL_TIME, _PEG_FIELDS = 166, 169, 170
_PEGGED_TO_BENCHMARK = frozenset({"PEG BENCH", "PEGBENCH"})
_PEGGED_TO_BEST = frozenset({"PEG BEST", "PEGBEST"})
_PEGGED_TO_MIDPOINT = frozenset({"PEG MID", "PEGMID"})
_LARGEST_ORDER_ID = 2**31 - 1
_LARGEST_QUANTITY = Decimal(10) ** 9


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A parsed placeOrder."""

    order_id: int
    query: ContractQuery
    ticket: Ticket


def read_contract(reader: FieldReader) -> ContractQuery:
    """Read the twelve fields that name a contract in a request."""
    con_id = reader.integer()
    texts = [reader.text() for _ in range(11)]
    return ContractQuery(
        con_id=con_id,
        symbol=texts[0],
        sec_type=texts[1],
        last_trade_date_or_contract_month=texts[2],
        strike=texts[3],
        right=texts[4],
        multiplier=texts[5],
        exchange=texts[6],
        primary_exchange=texts[7],
        currency=texts[8],
        local_symbol=texts[9],
        trading_class=texts[10],
    )


def read_instant(text: str) -> tuple[datetime | None, bool]:
    """Read ``yyyymmdd hh:mm:ss [zone]`` or ``yyyymmdd-hh:mm:ss`` (UTC); also without seconds.

    Returns the instant and whether its zone was stated. Raises WireError on anything else.
    """
    if not text:
        return None, True
    stamp, _, zone_name = text.partition(" ")
    zone = ZoneInfo(ZONE)
    stated = False
    if "-" in stamp:
        zone, stated = ZoneInfo("UTC"), True
    elif zone_name:
        clock, _, zone_name = zone_name.strip().partition(" ")
        stamp = f"{stamp}-{clock}"
        if zone_name:
            zone, stated = _zone(zone_name.strip()), True
    else:
        stamp = f"{stamp}-00:00:00"
    for pattern in ("%Y%m%d-%H:%M:%S", "%Y%m%d-%H:%M"):
        try:
            local = datetime.strptime(stamp, pattern)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        return local.replace(tzinfo=zone).astimezone(UTC), stated
    raise WireError(f"expected a time, was {text[:40]!r}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WireError(f"unknown time zone {name[:40]!r}") from error


def read_order(reader: FieldReader, version: int) -> OrderRequest:
    """Read a placeOrder. Raises WireError where a field is missing, odd or too many."""
    order_id = reader.integer()
    if abs(order_id) > _LARGEST_ORDER_ID:
        raise WireError("the order id is too large")
    query = read_contract(reader)
    reader.skip(2)  # secIdType, secId
    if query.sec_type == "BAG":
        raise WireError("combination orders are not served")
    values = _read_terms(reader)
    _skip_until_algo(reader, version)
    algo, params, what_if = _read_algo(reader)
    _skip_tail(reader, version, order_type=values["order_type"], exchange=query.exchange)
    if reader.left:
        raise WireError(f"{reader.left} fields too many in an order")
    ticket = _ticket(values, algo=algo, params=params, what_if=what_if)
    return OrderRequest(order_id=order_id, query=query, ticket=ticket)


def _read_terms(reader: FieldReader) -> dict[str, str]:
    """Read the fields from the action to faPercentage, as text."""
    names = (
        *("action", "quantity", "order_type", "limit_price", "aux_price", "tif", "oca_group"),
        *("account", "open_close", "origin", "order_ref", "transmit", "parent_id"),
        *("block_order", "sweep_to_fill", "display_size", "trigger_method", "outside_rth"),
        *("hidden", "shares_allocation", "discretionary", "good_after", "good_till"),
        *("fa_group", "fa_method", "fa_percentage"),
    )
    return {name: reader.text() for name in names}


def _skip_until_algo(reader: FieldReader, version: int) -> None:
    if version < _FA_PROFILE_GONE:
        reader.skip(1)
    # modelCode .. volatilityType
    reader.skip(22)
    if reader.text():  # deltaNeutralOrderType
        reader.skip(1 + 8)
    else:
        reader.skip(1)
    reader.skip(4)  # continuousUpdate .. trailingPercent
    reader.skip(2)  # scaleInitLevelSize, scaleSubsLevelSize
    increment = reader.number()
    if increment is not None and increment > 0:
        reader.skip(7)
    reader.skip(3)  # scaleTable, activeStartTime, activeStopTime
    if reader.text():  # hedgeType
        reader.skip(1)
    reader.skip(4)  # optOutSmartRouting .. notHeld
    if reader.flag():  # deltaNeutralContract
        reader.skip(3)


def _read_algo(reader: FieldReader) -> tuple[str, tuple[tuple[str, str], ...], bool]:
    algo = reader.text()
    params: tuple[tuple[str, str], ...] = ()
    if algo:
        count = reader.count(at_most=100)
        params = tuple((reader.text(), reader.text()) for _ in range(count))
    reader.skip(1)  # algoId
    what_if = reader.flag()
    reader.skip(1)  # orderMiscOptions
    reader.skip(3)  # solicited, randomizeSize, randomizePrice
    return algo, params, what_if


def _skip_tail(reader: FieldReader, version: int, *, order_type: str, exchange: str) -> None:
    if order_type in _PEGGED_TO_BENCHMARK:
        reader.skip(5)
    if reader.count():
        raise WireError("conditional orders are not served")
    reader.skip(7)  # adjustedOrderType .. adjustableTrailingUnit
    reader.skip(4)  # extOperator, soft dollar tier, cashQty
    reader.skip(4)  # mifid2
    reader.skip(4)  # dontUseAutoPriceForHedge .. usePriceMgmtAlgo
    gates = (_DURATION, _POST_TO_ATS, _AUTO_CANCEL_PARENT, _ERROR_OVERRIDE, _MANUAL_TIME)
    reader.skip(sum(version >= gate for gate in gates))
    if version >= _PEG_FIELDS:
        if exchange == "IBKRATS":
            reader.skip(1)
        if order_type in _PEGGED_TO_BEST:
            reader.skip(1)
            reader.skip(2 if reader.text().startswith("Inf") else 0)
        elif order_type in _PEGGED_TO_MIDPOINT:
            reader.skip(2)


def _ticket(
    values: dict[str, str], *, algo: str, params: tuple[tuple[str, str], ...], what_if: bool
) -> Ticket:
    terms = FieldReader(
        [values[name] for name in ("quantity", "limit_price", "aux_price", "parent_id")]
        + [values[name] for name in ("outside_rth", "transmit")]
    )
    quantity = terms.number() or Decimal(0)
    if abs(quantity) > _LARGEST_QUANTITY:
        raise WireError("the quantity is too large")
    good_after, _ = read_instant(values["good_after"])
    good_till, _ = read_instant(values["good_till"])
    return Ticket(
        action=values["action"],
        quantity=quantity,
        order_type=values["order_type"],
        limit_price=terms.number(),
        aux_price=terms.number(),
        tif=values["tif"],
        account=values["account"],
        order_ref=values["order_ref"],
        oca_group=values["oca_group"],
        open_close=values["open_close"],
        parent_id=terms.integer(),
        outside_rth=terms.flag(),
        transmit=terms.flag(),
        good_after=good_after,
        good_after_text=values["good_after"],
        good_till=good_till,
        good_till_text=values["good_till"],
        algo=algo,
        algo_params=params,
        what_if=what_if,
    )
