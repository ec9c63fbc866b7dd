"""Requests about the account, positions, results and time."""

from __future__ import annotations

from decimal import Decimal

from afterclose.tws_sim import messages
from afterclose.tws_sim.account_values import SUMMARY_TAGS, Value
from afterclose.tws_sim.gateway import Client, Gateway
from afterclose.tws_sim.wire import FieldReader

_MOST_SUMMARIES = 2
_MOST_REQUESTS = 100
_LEDGER = "$LEDGER"


def current_time(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Say the time."""
    reader.skip(1)
    client.send(messages.current_time(gateway.told_time))


def managed_accounts(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Say the accounts of the login."""
    reader.skip(1)
    client.send(messages.managed_accounts(gateway.account.name))


def set_log_level(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Accepted, and without effect."""
    _ = gateway, client
    reader.skip(2)


def user_info(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Answer with an empty white-branding id."""
    _ = gateway
    client.send(messages.user_info(reader.integer()))


def positions(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send every position, and every later change."""
    reader.skip(1)
    gateway.process()
    client.wants.positions = True
    client.send(*(gateway.position_frame(each.listing) for each in gateway.account.held()))
    if "positions" not in gateway.scenario.missing_end:
        client.send(messages.position_end())


def cancel_positions(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Stop sending position changes."""
    _ = gateway
    reader.skip(1)
    client.wants.positions = False


def account_updates(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send values and portfolio of the account, and every later change."""
    reader.skip(1)
    subscribe, account = reader.flag(), reader.text()
    client.wants.account_updates = subscribe
    if not subscribe:
        return
    if account not in {"", gateway.account.name}:
        client.wants.account_updates = False
        client.error(-1, 321, "Error validating request.-'bH' : cause - Invalid account code.")
        return
    gateway.process()
    client.send(*gateway.account_frames())
    client.send(*(gateway.portfolio_frame(each.listing) for each in gateway.account.held()))
    client.send(messages.account_update_time(gateway.told_time))
    if "accountUpdates" not in gateway.scenario.missing_end:
        client.send(messages.account_download_end(gateway.account.name))


def account_updates_multi(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the values of the account under a request id."""
    reader.skip(1)
    request_id, account = reader.integer(), reader.text()
    reader.skip(2)
    if account not in {"", gateway.account.name}:
        client.error(request_id, 321, "Error validating request.-'bH' : cause - Invalid account.")
        return
    gateway.process()
    name = gateway.account.name
    for key, text, currency in gateway.value.account_values():
        client.send(messages.account_update_multi(request_id, name, key, text, currency))
    if "accountUpdatesMulti" not in gateway.scenario.missing_end:
        client.send(messages.account_update_multi_end(request_id))


def cancel_account_updates_multi(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Forget a request."""
    _ = gateway, client
    reader.skip(2)


def account_summary(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the tags asked for; ``$LEDGER:ALL`` gives every currency."""
    reader.skip(1)
    request_id = reader.integer()
    reader.skip(1)
    tags = frozenset(tag.strip() for tag in reader.text().split(",") if tag.strip())
    if request_id not in client.wants.summaries and len(client.wants.summaries) >= _MOST_SUMMARIES:
        text = "Error processing request.-'bH' : cause - Maximum number of account summary requests"
        client.error(request_id, 322, f"{text} exceeded")
        return
    gateway.process()
    client.wants.summaries[request_id] = tags
    name = gateway.account.name
    for key, text, currency in _summary(gateway.value.account_values(), tags, gateway.account.base):
        client.send(messages.account_summary(request_id, name, key, text, currency))
    if "accountSummary" not in gateway.scenario.missing_end:
        client.send(messages.account_summary_end(request_id))


def _summary(values: list[Value], tags: frozenset[str], base: str) -> list[Value]:
    wanted = frozenset(SUMMARY_TAGS) if "All" in tags else tags
    chosen = [value for value in values if value[0] in wanted]
    for tag in sorted(tag for tag in tags if tag.startswith(_LEDGER)):
        _, _, currency = tag.partition(":")
        start = [value[0] for value in values].index("CashBalance")
        shown = currency or base
        chosen += [value for value in values[start:] if shown in {"ALL", value[2]}]
    return chosen


def cancel_account_summary(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Forget a request."""
    _ = gateway
    reader.skip(1)
    client.wants.summaries.pop(reader.integer(), None)


def profit_and_loss(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the account's result of the day, open and realized."""
    request_id = reader.integer()
    reader.skip(2)
    gateway.process()
    if len(client.wants.profit) >= _MOST_REQUESTS:
        client.error(request_id, 322, "Error processing request.-'bH' : cause - Too many requests")
        return
    now = gateway.value.profit()
    client.wants.profit[request_id] = now
    client.send(messages.profit_and_loss(request_id, *now))


def cancel_profit_and_loss(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Forget a request."""
    _ = gateway
    client.wants.profit.pop(reader.integer(), None)


def profit_and_loss_single(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Send the result of one position, once."""
    request_id = reader.integer()
    reader.skip(2)
    con_id = reader.integer()
    gateway.process()
    position = gateway.account.positions.get(con_id)
    if position is None:
        zero = Decimal(0)
        client.send(messages.profit_and_loss_single(request_id, zero, zero, zero, zero, zero))
        return
    price = gateway.value.price(position.listing)
    value = position.value(price)
    unrealized = position.unrealized(price)
    client.send(
        messages.profit_and_loss_single(
            request_id,
            position.quantity,
            value - position.basis,
            unrealized,
            position.realized,
            value,
        )
    )


def cancel_profit_and_loss_single(gateway: Gateway, client: Client, reader: FieldReader) -> None:
    """Forget a request."""
    _ = gateway, client
    reader.skip(1)
