"""The two longest answers: openOrder and completedOrder."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from afterclose.tws_sim.messages import contract_fields, local_time
from afterclose.tws_sim.orders import Order, Ticket
from afterclose.tws_sim.wire import UNSET_DOUBLE, Field, frame

_FA_PROFILE_GONE, _DURATION, _POST_TO_ATS, _AUTO_CANCEL_PARENT, _PEG_FIELDS = (
    177,
    158,
    160,
    162,
    170,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a what-if order would do to the account, in its base currency."""

    initial_before: Decimal
    initial_after: Decimal
    maintenance_before: Decimal
    maintenance_after: Decimal
    equity_before: Decimal
    equity_after: Decimal
    commission: Decimal
    commission_currency: str
    warning: str = ""


def _price(value: Decimal | None) -> Field:
    return "0.0" if value is None else value


def _order_head(ticket: Ticket, account: str) -> list[Field]:
    """Return the fields from the action to the origin, common to both messages."""
    terms: list[Field] = [ticket.action, ticket.quantity, ticket.order_type]
    terms += [_price(ticket.limit_price), _price(ticket.aux_price), ticket.tif, ticket.oca_group]
    return [*terms, account, ticket.open_close, 0]


def _algo(ticket: Ticket) -> list[Field]:
    if not ticket.algo:
        return [""]
    fields: list[Field] = [ticket.algo, len(ticket.algo_params)]
    for tag, value in ticket.algo_params:
        fields += [tag, value]
    return fields


def _margins(preview: Preview | None) -> list[Field]:
    """Return nine margin fields, the commission, its range and its currency, and the warning.

    The change of the initial margin is always a number in a preview: a client of note ignores an
    answer without it and then waits for ever.
    """
    if preview is None:
        unset: list[Field] = [UNSET_DOUBLE] * (9 + 3)
        return [*unset, "", ""]
    befores = (preview.initial_before, preview.maintenance_before, preview.equity_before)
    afters = (preview.initial_after, preview.maintenance_after, preview.equity_after)
    changes = tuple(after - before for before, after in zip(befores, afters, strict=True))
    amounts: list[Field] = [_money(value) for value in (*befores, *changes, *afters)]
    fee = _money(preview.commission)
    return [*amounts, fee, "", "", preview.commission_currency, preview.warning]


def _money(value: Decimal) -> str:
    return f"{value:.2f}"


def open_order(version: int, order: Order, account: str, preview: Preview | None = None) -> bytes:
    """Encode an order as its client sees it; with a preview, the answer to a what-if."""
    ticket = order.ticket
    fields: list[Field] = [5, order.order_id, *contract_fields(order.instrument)]
    fields += _order_head(ticket, account)
    fields += [ticket.order_ref, order.client_id, order.perm_id, ticket.outside_rth, 0, 0]
    fields += [ticket.good_after_text, "", "", "", ""]
    if version < _FA_PROFILE_GONE:
        fields.append("")
    fields += ["", ticket.good_till_text, "", "", "", 0, "", -1]
    fields += [0, "", "", "", "", "", "", 0, 0, 0, "", 3, 0, 0, ""]
    fields += [ticket.parent_id, 0, "", 0, "None", "", 0, "", "", "", "?", 0, 0, ""]
    fields += [0, 0, "", "", "", "", "", 0, 0, 0, "", "", "", ""]
    fields += [0, "", "IB", ticket.not_held, 0, *_algo(ticket), 0]
    fields += [ticket.what_if, order.status.value, *_margins(preview), 0, 0, 0]
    fields += ["None", UNSET_DOUBLE, "", UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, 0]
    fields += ["", "", "", 0, 0, 0, 0, 0]
    return frame(*fields, *_newer_fields(version))


def _newer_fields(version: int) -> list[Field]:
    fields: list[Field] = []
    if version >= _DURATION:
        fields.append("")
    if version >= _POST_TO_ATS:
        fields.append("")
    if version >= _AUTO_CANCEL_PARENT:
        fields.append(0)
    if version >= _PEG_FIELDS:
        fields += ["", "", "", "", ""]
    return fields


def order_status(order: Order, *, why_held: str = "") -> bytes:
    """Encode where an order stands; filled and remaining are cumulative."""
    fields: list[Field] = [3, order.order_id, order.status.value, order.filled, order.remaining]
    fields += [order.average_price, order.perm_id, order.ticket.parent_id, order.last_price]
    return frame(*fields, order.client_id, why_held, 0)


def completed_order(version: int, order: Order, account: str) -> bytes:
    """Encode a finished order. It carries neither order id nor client id: match by reference."""
    ticket = order.ticket
    fields: list[Field] = [101, *contract_fields(order.instrument), *_order_head(ticket, account)]
    fields += [ticket.order_ref, order.perm_id, ticket.outside_rth, 0, 0, ticket.good_after_text]
    fields += ["", "", ""]
    if version < _FA_PROFILE_GONE:
        fields.append("")
    fields += ["", ticket.good_till_text, "", "", "", 0, "", -1]
    fields += ["", "", "", "", "", "", 0, 0, "", 3, 0, "", 0, "None", "", 0, 0, 0, ""]
    fields += [0, 0, "", "", "", 0, 0, 0, "", "", "", ""]
    fields += ["", "IB", ticket.not_held, 0, *_algo(ticket), 0, order.status.value, 0, 0, 0]
    completed = "" if order.completed_at is None else local_time(order.completed_at)
    fields += ["", UNSET_DOUBLE, 0, 0, 0, "", order.filled, 0, 0, "Not an insider or substantial"]
    fields += [0, 0, 0, completed, order.completed_text]
    if version >= _PEG_FIELDS:
        fields += ["", "", "", "", ""]
    return frame(*fields)
