"""What desks send: plain limits, limits that are worked, netted rows, other types, lone legs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from afterclose.domain.contracts import MappedContract
from afterclose.domain.orders import Action, BasketOrder, TradeKind
from afterclose.domain.placing import LegLimit, LoneLeg, OrderType, Repricing, StartWhen
from unit.ibkr.ibkr_values import CL, ES, ZC, mapped, order

ZN = mapped("ZN", "202603", ib_exchange="CBOT", multiplier="1000", tick_size=Decimal("0.015625"))
ESH = mapped("ES", "202603")
CONTRACTS = (ES, ESH, CL, ZC, ZN)
#: Contract, limit that fills when bought and waits when sold, and the other way round.
TRADED: tuple[tuple[MappedContract, str, str], ...] = (
    (ES, "6900.25", "6700"),
    (CL, "60.50", "57.00"),
    (ZC, "460", "430"),
    (ZN, "114", "112"),
)
#: Half past eight in Chicago.
DAY_SESSION = datetime(2025, 12, 2, 14, 30, tzinfo=UTC)
#: What an evening may be made of beside plain limits.
DESKS = ("worked", "netted", "other types", "lone legs", "everything")
#: How long a leg may be alone; the follower goes past it.
ALONE_S = 600.0


def make_orders(count: int, *, seed: int) -> tuple[BasketOrder, ...]:
    """Orders of several models, exits among them, some to be filled and some to wait; one roll."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        contract, filling, waiting = TRADED[number % len(TRADED)]
        model = f"M{number // len(TRADED)}"
        closes = draw.random() < 0.3
        name = f"desk-20251201-{model}-{contract.contract.symbol}-{'C' if closes else 'O'}1"
        made.append(
            order(
                contract,
                order_ref=name,
                model=model,
                quantity=draw.randint(1, 3),
                limit_price=Decimal(filling if draw.random() < 0.6 else waiting),
                kind=TradeKind.EXIT if closes else TradeKind.ENTRY,
            )
        )
    return tuple([*made[:-2], *roll()] if count >= 6 else made)


def roll(model: str = "R", quantity: int = 1) -> tuple[BasketOrder, BasketOrder]:
    """Both legs, which fill at the open."""
    close_ref, open_ref = (f"desk-20251201-{model}-{leg}1" for leg in ("ESZ25-C", "ESH26-O"))
    return (
        order(
            ES,
            order_ref=close_ref,
            model=model,
            action=Action.SELL,
            quantity=quantity,
            limit_price=Decimal(6700),
            kind=TradeKind.ROLL_CLOSE,
            roll_pair=open_ref,
        ),
        order(
            ESH,
            order_ref=open_ref,
            model=model,
            quantity=quantity,
            limit_price=Decimal(6950),
            kind=TradeKind.ROLL_OPEN,
            roll_pair=close_ref,
        ),
    )


def orders_of(desk: str, *, seed: int) -> tuple[BasketOrder, ...]:
    """What one of ``DESKS`` wants tonight, before its rows are netted."""
    draw = random.Random(seed)
    if desk == "worked":
        made = make_orders(draw.randint(1, 5), seed=seed)
        return tuple(worked(row, draw) for row in (_waiting(row, draw) for row in made))
    if desk == "netted":
        return rows(draw)
    if desk == "other types":
        return tuple(typed(row, draw) for row in make_orders(draw.randint(2, 8), seed=seed))
    if desk == "lone legs":
        return (*make_orders(draw.randint(0, 3), seed=seed), *lone(draw))
    return everything(draw)


def _waiting(row: BasketOrder, draw: random.Random) -> BasketOrder:
    """Let most wait where they would have filled: else there is nothing to work."""
    waiting = {contract.contract: Decimal(low) for contract, _, low in TRADED}[row.contract]
    return replace(row, limit_price=waiting) if draw.random() < 0.7 else row


def worked(row: BasketOrder, draw: random.Random) -> BasketOrder:
    """One whose limit is worked at once, or after a minute, to the market or not so far."""
    spec = row.mapped.spec
    far = {c.contract: Decimal(buys) - Decimal(sells) for c, buys, sells in TRADED}[row.contract]
    times = draw.randint(1, 3)
    ticks = int(far / spec.tick_size / times / draw.choice((1, 4)))
    rule = Repricing(ticks=ticks, times=times, every_s=draw.choice((0.0, 0.0, 60.0)))
    return replace(row, repricing=rule)


def rows(draw: random.Random, *, models: int = 4) -> tuple[BasketOrder, ...]:
    """Rows of several models in the same contracts, buys against sells; two of them roll."""
    made: list[BasketOrder] = []
    for contract, high, low in TRADED:
        fills = draw.random() < 0.6
        for number in range(models):
            if draw.random() < 0.25:
                continue
            buys, closes = draw.random() < 0.6, draw.random() < 0.4
            effect = "C" if closes else "O"
            made.append(
                order(
                    contract,
                    order_ref=f"desk-20251201-N{number}-{contract.contract.symbol}-{effect}1",
                    model=f"N{number}",
                    action=Action.BUY if buys else Action.SELL,
                    quantity=draw.randint(1, 4),
                    limit_price=Decimal(high if buys is fills else low),
                    reference_price=(Decimal(high) + Decimal(low)) / 2,
                    kind=TradeKind.EXIT if closes else TradeKind.ENTRY,
                )
            )
    return (*made, *roll("R1", 2), *roll("R2"))


def typed(row: BasketOrder, draw: random.Random) -> BasketOrder:
    """One of a type of its own, now or in the day session. The closing leg of a roll goes now."""
    kind = draw.choice(tuple(OrderType))
    row = replace(row, order_type=kind.value)
    if kind is OrderType.MOC or row.roll_pair or draw.random() < 0.7:
        return row
    return replace(
        row, start=StartWhen.DAY_SESSION, good_after=DAY_SESSION, outside_rth=draw.random() < 0.5
    )


def lone(draw: random.Random) -> tuple[BasketOrder, BasketOrder]:
    """A roll of which one leg waits far from the market, at a clock that runs."""
    limit = LegLimit(alone_s=ALONE_S, then=draw.choice(tuple(LoneLeg)))
    close, opens = (replace(leg, leg_limit=limit) for leg in roll("L", draw.randint(1, 3)))
    if draw.random() < 0.7:
        return close, replace(opens, limit_price=Decimal(6000))
    return replace(close, limit_price=Decimal(7700)), opens


def everything(draw: random.Random) -> tuple[BasketOrder, ...]:
    """Netted rows whose limits are worked, other types and a lone leg on one evening."""

    def made() -> Iterator[BasketOrder]:
        rules: dict[object, BasketOrder] = {}
        for row in rows(draw, models=3):
            if row.roll_pair:
                yield row
                continue
            first = rules.setdefault(row.contract, worked(row, draw))
            yield replace(row, repricing=first.repricing)  # rows of other terms do not go together
        for number, (contract, filling, _) in enumerate(TRADED[1:]):
            name = f"desk-20251201-T{number}-{contract.contract.symbol}-O9"
            buys = order(contract, order_ref=name, model=f"T{number}", quantity=1)
            yield typed(replace(buys, limit_price=Decimal(filling)), draw)
        yield from lone(draw)

    return tuple(made())
