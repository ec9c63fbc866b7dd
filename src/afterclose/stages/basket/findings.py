"""What the basket says of trades that it leaves out, or adds by itself."""

from __future__ import annotations

from decimal import Decimal

from afterclose.domain.findings import Finding, Severity
from afterclose.domain.orders import ModelTrade


def never_opened(trade: ModelTrade) -> Finding:
    """AC301: the model closes, adds to or rolls something this desk never opened."""
    return Finding(
        code="AC301",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=(
            f"{trade.model} wants a {trade.kind.value} of {trade.delta:+d}, "
            "but the desk holds none of it for this model"
        ),
        hint="nothing to do; 'afterclose adopt' if the account holds it for this model",
        evidence={"model_before": trade.position_before, "model_after": trade.position_after},
    )


def already_working(trade: ModelTrade) -> Finding:
    """AC302: an order for exactly this is at the broker already."""
    return Finding(
        code="AC302",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=f"the {trade.kind.value} is already working at the broker",
        hint="follow it with 'afterclose status'",
    )


def overworked(trade: ModelTrade, *, held: int, working: int) -> Finding:
    """AC303: what is working would already take the position past zero."""
    return Finding(
        code="AC303",
        severity=Severity.BLOCK,
        subject=trade.contract.symbol,
        message=f"{working:+d} are working against {held:+d} held: they would flip the position",
        hint="cancel the working order in TWS, then prepare the evening again",
        evidence={"held": held, "working": working},
    )


def still_adding(trade: ModelTrade, *, working: int) -> Finding:
    """AC310: an order of an earlier run still adds to what is closed now."""
    return Finding(
        code="AC310",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=f"{working:+d} are still working on the side of the position that is closed here",
        hint="cancel that order in TWS, or what it fills is left over",
        evidence={"working": working},
    )


def roll_half_done(trade: ModelTrade, *, missing: int) -> Finding:
    """AC313: the close leg of a roll went earlier, its open leg did not, and is left so."""
    return Finding(
        code="AC313",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=f"the close leg of this roll is gone already; {missing:+d} of the open leg are not",
        hint="set basket.complete_rolls = true, or stay out until the model's next entry",
        evidence={"missing": missing},
    )


def roll_completed(trade: ModelTrade, *, missing: int) -> Finding:
    """AC313: the close leg of a roll went earlier, its open leg did not: it goes now."""
    return Finding(
        code="AC313",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=f"catch-up: {missing:+d} complete a roll whose close leg is gone already",
        hint="exclude the row to stay out until the model's next entry",
        evidence={"missing": missing},
    )


def catch_up_close(trade: ModelTrade, *, held: int) -> Finding:
    """AC306: the desk holds what the model no longer does; it is closed without being asked."""
    return Finding(
        code="AC306",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=(
            f"catch-up: the desk holds {held:+d} for {trade.model}, "
            f"the model {trade.position_after:+d}"
        ),
        hint="an earlier exit was not filled, or not sent; exclude the row to keep the position",
        evidence={"held": held, "model": trade.position_after},
    )


def entry_not_caught_up(trade: ModelTrade, *, held: int, target: int) -> Finding:
    """AC408: the model holds more than the desk; entries are not caught up by themselves."""
    return Finding(
        code="AC408",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=f"{trade.model} holds {target:+d}, the desk {held:+d}; the rest is not opened late",
        hint="set basket.catch_up_entries = true to open what is missing",
        evidence={"held": held, "target": target},
    )


def already_held(trade: ModelTrade, *, held: int, working: int) -> Finding:
    """AC409: what the model still wants is held or working already."""
    return Finding(
        code="AC409",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=f"the desk already holds {held:+d} and works {working:+d} towards this entry",
        hint="nothing to do",
        evidence={"held": held, "working": working},
    )


def other_way_first(trade: ModelTrade, *, held: int) -> Finding:
    """AC412: what the desk still holds the other way is closed first; nothing is flipped."""
    return Finding(
        code="AC412",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=(
            f"the {trade.kind.value} of {trade.delta:+d} waits: the desk still holds {held:+d} "
            "against the model, and closes that tonight"
        ),
        hint="once that is filled, prepare the evening again to send it",
        evidence={"held": held, "target": trade.position_after},
    )


def too_small(trade: ModelTrade, *, scale: Decimal) -> Finding:
    """AC410: in the desk's size, the trade is less than one contract."""
    return Finding(
        code="AC410",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=f"{trade.delta:+d} in the model is less than one contract at the scale {scale:f}",
        hint="allocate more capital to the model to follow it in this market closely",
        evidence={"scale": str(scale)},
    )


def no_price(trade: ModelTrade) -> Finding:
    """AC106: there is no price to make a limit from."""
    return Finding(
        code="AC106",
        severity=Severity.BLOCK,
        subject=trade.contract.symbol,
        message=f"no usable price for the {trade.kind.value} of {trade.contract.symbol}",
        hint="check the market data of this contract; an exit can go by 'afterclose flatten'",
    )


def off_grid(trade: ModelTrade, *, price: Decimal, limit: Decimal) -> Finding:
    """AC109: the vendor's price was not on IB's tick grid, and was moved to it."""
    return Finding(
        code="AC109",
        severity=Severity.INFO,
        subject=trade.contract.symbol,
        message=f"{price:f} is between two ticks; the limit is {limit:f}",
        hint="normal for settlement prices; look if it moved by more than a tick",
        evidence={"price": str(price), "limit": str(limit)},
    )


def open_attempt(trade: ModelTrade, *, ref: str, state: str) -> Finding:
    """AC504: an earlier order of this evening for the same thing is not final yet."""
    return Finding(
        code="AC504",
        severity=Severity.BLOCK,
        subject=trade.contract.symbol,
        message=f"{ref} of this evening is {state}; a second order could double the trade",
        hint="wait until it is final, or cancel it, then prepare the evening again",
        evidence={"order_ref": ref, "state": state},
    )


def move_unknown(trade: ModelTrade, *, moves: Decimal) -> Finding:
    """AC111: the limit should reach by daily moves, and nobody knows how far one is."""
    return Finding(
        code="AC111",
        severity=Severity.WARN,
        subject=trade.contract.symbol,
        message=f"the limit does not reach by {moves:f} daily moves: too few closes are known",
        hint="the limit stands at its price; look whether it will fill",
        evidence={"moves": str(moves)},
    )
