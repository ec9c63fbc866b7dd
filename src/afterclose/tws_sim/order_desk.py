"""Requests about orders: place, change, preview, cancel, list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from afterclose.tws_sim import messages, order_messages, telling
from afterclose.tws_sim.account import maintenance_of
from afterclose.tws_sim.contracts import CashPair, Instrument
from afterclose.tws_sim.gateway import Client, Gateway
from afterclose.tws_sim.lookup import one_contract
from afterclose.tws_sim.order_messages import Preview
from afterclose.tws_sim.order_rules import Entry, Refusal, first_refusal
from afterclose.tws_sim.orders import Action, Execution, Order, Status, Ticket
from afterclose.tws_sim.requests import OrderRequest, read_instant, read_order
from afterclose.tws_sim.wire import FieldReader

_CANCEL_TIME, _READ_ONLY = (
    169,
    ("Error validating request.-'bH' : cause - The API interface is currently in Read-Only mode."),
)
#: The size limit, of all precautions: TWS keeps what they stop, not transmitted.
_PRECAUTION = 383
_PRESET_TIF = "Order TIF was set to DAY based on order preset."
_NO_EXCHANGE = "Error validating request.-'bH' : cause - Missing order exchange."


def place_order(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Take a new order, change a working one, or answer a what-if."""
    request = read_order(reader, client.version)
    gateway.process()
    if not request.ticket.what_if:
        gateway.orders_seen += 1
        if gateway.befalls("drop_before"):
            client.close()
            return
    if gateway.scenario.read_only:
        client.error(request.order_id, 321, _READ_ONLY)
        return
    known = _known_today(gateway, client, request.order_id)
    if known is None and request.order_id < gateway.ids.next_order_id(client.client_id):
        client.error(request.order_id, 103, "Duplicate order id")
        return
    item = _instrument(gateway, client, request)
    if item is None:
        return
    gateway.ids.saw(client.client_id, request.order_id)
    if request.ticket.what_if:
        _preview(gateway, client, request, item)
    elif known is None:
        _take(gateway, client, request, item)
    else:
        _change(gateway, client, request, item, known)
    if not request.ticket.what_if and gateway.befalls("drop_after"):
        client.close()


def _known_today(gateway: Gateway, client: Client, order_id: int) -> Order | None:
    """Return the order of this number: one that ended on an earlier day is forgotten by then."""
    known = gateway.by_client.get((client.client_id, order_id))
    if known is None or known.completed_at is None or _is_today(gateway, known.completed_at):
        return known
    return None


def _instrument(gateway: Gateway, client: Client, request: OrderRequest) -> Instrument | None:
    if not request.query.exchange:
        client.error(request.order_id, 321, _NO_EXCHANGE)
        return None
    return one_contract(gateway, client, request.order_id, request.query)


def _preset(gateway: Gateway, order: Order) -> None:
    """Say that the preset filled in the missing time in force; the order is alive all the same."""
    client = gateway.clients.get(order.client_id)
    if client is not None:
        frames = [messages.error(client.version, order.order_id, 10349, _PRESET_TIF)]
        gateway.deliver(order, frames)


def _take(gateway: Gateway, client: Client, request: OrderRequest, item: Instrument) -> None:
    ticket = request.ticket
    order = Order(
        perm_id=gateway.ids.next_perm_id(gateway.today),
        client_id=client.client_id,
        order_id=request.order_id,
        instrument=item,
        ticket=ticket if ticket.tif else replace(ticket, tif="DAY"),
        placed_at=gateway.now,
        number=gateway.orders_seen,
        silent=gateway.befalls("no_callback"),
    )
    entry = _entry(gateway, client, item, order.ticket, None)
    refusal = first_refusal(entry)
    if refusal is not None:
        _refuse(gateway, client, order, refusal)
        return
    gateway.by_client[client.client_id, request.order_id] = order
    reason = gateway.scenario.hold.get(item.root)
    if reason is not None:
        order.held, order.status = True, Status.INACTIVE
        gateway.deliver(
            order, [messages.error(client.version, order.order_id, _PRECAUTION, reason)]
        )
    gateway.exchange.submit(order)
    if not ticket.tif:
        _preset(gateway, order)
    if gateway.befalls("double_perm_ids"):
        twin = replace(
            order, perm_id=gateway.ids.next_perm_id(gateway.today), filled=Decimal(0), silent=False
        )
        gateway.exchange.submit(twin)


def _entry(
    gateway: Gateway, client: Client, item: Instrument, ticket: Ticket, replaces: Order | None
) -> Entry:
    return Entry(
        gateway=gateway,
        client_id=client.client_id,
        instrument=item,
        ticket=ticket,
        replaces=replaces,
    )


def _refuse(gateway: Gateway, client: Client, order: Order, refusal: Refusal) -> None:
    """Answer with the error alone, or, from the broker, also with the dead order."""
    frames = [messages.error(client.version, order.order_id, refusal.code, refusal.text)]
    if refusal.is_rejection:
        order.status = Status.INACTIVE
        order.completed_at, order.completed_text = gateway.now, refusal.text
        gateway.by_client[client.client_id, order.order_id] = order
        gateway.exchange.adopt(order)
        frames += telling.order_frames(client.version, order, gateway.account.name)
    gateway.deliver(order, frames)


def _change(
    gateway: Gateway, client: Client, request: OrderRequest, item: Instrument, order: Order
) -> None:
    if order.status is Status.FILLED:
        client.error(request.order_id, 104, "Cannot modify a filled order.")
        return
    if not order.is_working or order.instrument.con_id != item.con_id:
        client.error(request.order_id, 103, "Duplicate order id")
        return
    ticket = request.ticket if request.ticket.tif else replace(request.ticket, tif="DAY")
    if (ticket.action, ticket.order_type) != (order.ticket.action, order.ticket.order_type):
        text = "The order being modified does not match the original order."
        client.error(request.order_id, 105, text)
        return
    if ticket.quantity <= order.filled:
        client.error(request.order_id, 104, "Cannot modify a filled order.")
        return
    refusal = first_refusal(_entry(gateway, client, item, ticket, order))
    if refusal is not None:
        client.error(request.order_id, refusal.code, refusal.text)
        return
    gateway.exchange.replace(order, ticket)


def _preview(gateway: Gateway, client: Client, request: OrderRequest, item: Instrument) -> None:
    ticket = request.ticket if request.ticket.tif else replace(request.ticket, tif="DAY")
    refusal = first_refusal(_entry(gateway, client, item, ticket, None))
    if refusal is not None:
        client.error(request.order_id, refusal.code, refusal.text)
        return
    order = Order(
        perm_id=0,
        client_id=client.client_id,
        order_id=request.order_id,
        instrument=item,
        ticket=ticket,
        placed_at=gateway.now,
        number=0,
    )
    preview = _margin_preview(gateway, item, ticket)
    name = gateway.account.name
    client.send(order_messages.open_order(client.version, order, name, preview))
    if not request.ticket.tif:
        client.error(request.order_id, 10349, _PRESET_TIF)


def _margin_preview(gateway: Gateway, item: Instrument, ticket: Ticket) -> Preview:
    totals = gateway.value.totals()
    after, fee = totals.initial_margin, Decimal(2)
    if not isinstance(item, CashPair):
        change = Action(ticket.action).sign * ticket.quantity
        after = gateway.account.margin(gateway.value.rate, {item.con_id: (item, change)})
        fee = item.product.commission * ticket.quantity
    return Preview(
        initial_before=totals.initial_margin,
        initial_after=after,
        maintenance_before=totals.maintenance_margin,
        maintenance_after=maintenance_of(after),
        equity_before=totals.net_liquidation,
        equity_after=totals.net_liquidation,
        commission=fee,
        commission_currency=item.currency,
    )


def cancel_order(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Cancel one of the client's own orders."""
    reader.skip(1)
    order_id = reader.integer()
    if client.version >= _CANCEL_TIME:
        reader.skip(1)
    gateway.process()
    if gateway.scenario.read_only:
        client.error(order_id, 321, _READ_ONLY)
        return
    order = gateway.by_client.get((client.client_id, order_id))
    if order is None:
        client.error(
            order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found."
        )
    elif not order.is_working:
        text = f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: "
        client.error(order_id, 10148, f"{text}{order.status.value}.")
    else:
        gateway.exchange.cancel(order, "")


def global_cancel(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Cancel every working order of every client."""
    reader.skip(1)
    gateway.process()
    if gateway.scenario.read_only:
        client.error(-1, 321, _READ_ONLY)
        return
    for order in list(gateway.exchange.working.values()):
        gateway.exchange.cancel(order, "")


def open_orders(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """List the client's own working orders."""
    reader.skip(1)
    _list_open(gateway, client, lambda order: order.client_id == client.client_id)


def all_open_orders(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """List everybody's working orders."""
    reader.skip(1)
    _list_open(gateway, client, lambda _: True)


def _list_open(gateway: Gateway, client: Client, mine: Callable[[Order], bool]) -> None:
    gateway.process()
    for order in gateway.exchange.working.values():
        if mine(order):
            client.send(*telling.order_frames(client.version, order, gateway.account.name))
    if "openOrders" not in gateway.scenario.missing_end:
        client.send(messages.open_order_end())


def auto_open_orders(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Bind manual orders: for client 0 alone, and there are none here."""
    _ = gateway
    reader.skip(2)
    if client.client_id != 0:
        client.error(-1, 321, "Error validating request.-'bH' : cause - Only client 0 may bind.")


def completed_orders(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """List the orders that ended today."""
    reader.skip(1)
    gateway.process()
    for order in gateway.exchange.orders.values():
        if order.completed_at is not None and _is_today(gateway, order.completed_at):
            name = gateway.account.name
            client.send(order_messages.completed_order(client.version, order, name))
    if "completedOrders" not in gateway.scenario.missing_end:
        client.send(messages.completed_orders_end())


def _is_today(gateway: Gateway, at: datetime, *, days: int = 1) -> bool:
    """Say whether an instant lies within the last days of the gateway's user, today included."""
    first = gateway.today - timedelta(days=days - 1)
    return messages.local_time(at)[:8] >= f"{first:%Y%m%d}"


def executions(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """List today's fills that pass the filter, each with its commission.

    Those before midnight are shown only where the scenario keeps more days.
    """
    reader.skip(1)
    request_id, client_id = reader.integer(), reader.integer()
    account, since_text = reader.text(), reader.text()
    symbol, sec_type, exchange, side = (reader.text() for _ in range(4))
    since, _ = read_instant(since_text)
    gateway.process()

    def passes(each: Execution) -> bool:
        item = each.instrument
        return (
            _is_today(gateway, each.at, days=gateway.scenario.execution_days)
            and (not client_id or each.client_id == client_id)
            and (not account or each.account == account)
            and each.at >= (since or datetime.min.replace(tzinfo=UTC))
            and symbol in {"", item.symbol}
            and sec_type in {"", item.sec_type}
            and exchange in {"", item.exchange}
            and side in _SIDES[each.action]
        )

    for each in gateway.exchange.executions:
        if passes(each):
            client.send(
                messages.execution_details(client.version, request_id, each),
                messages.commission_report(each),
            )
    if "executions" not in gateway.scenario.missing_end:
        client.send(messages.execution_details_end(request_id))


_SIDES: Mapping[Action, frozenset[str]] = MappingProxyType(
    {
        Action.BUY: frozenset({"", "BUY", "BOT"}),
        Action.SELL: frozenset({"", "SELL", "SLD", "SSHORT"}),
    }
)


def request_ids(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Say the next order id; the number asked for means nothing."""
    reader.skip(2)
    client.send(messages.next_valid_id(gateway.ids.next_order_id(client.client_id)))
