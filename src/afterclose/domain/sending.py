"""Words of sending: limits of last resort, the price guard, a halt, and who owns a flattening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from afterclose.domain.contracts import FuturesContract
from afterclose.errors import UsageError

#: Stands for the whole desk where an order belongs to no single model. No model can be called so.
DESK_MODEL = "(desk)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """What no order may exceed, whatever audit and approval said; None is no limit.

    Notional values are in the base currency: price × point value × quantity × exchange rate.
    ``price_band`` is a fraction of the last close, to either side.
    """

    orders_per_evening: int | None = None
    quantity_per_order: int | None = None
    notional_per_order: Decimal | None = None
    notional_per_root: Decimal | None = None
    notional_total: Decimal | None = None
    price_band: Decimal | None = None

    def unset(self) -> tuple[str, ...]:
        """Names of the limits that are not set."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFigure:
    """One limit of ``SendLimits`` and what an evening comes to, were all its orders sent.

    ``tonight`` is in the limit's own unit, None where no order has a figure; ``of`` names the order
    or the market that it is of, empty where it is of all. ``unknown`` counts orders whose own
    figure nobody knows: they are not in ``tonight``.
    """

    name: str
    most: Decimal | None
    tonight: Decimal | None
    of: str = ""
    unknown: int = 0

    @property
    def exceeded(self) -> bool:
        """Whether what is known is more than the limit already."""
        return self.most is not None and self.tonight is not None and self.tonight > self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceGuard:
    """How far the market may be from a limit at the moment of sending.

    ``max_drift`` is a fraction of the limit, None for no guard. Orders that close are exempt unless
    ``guard_exits``; without a quote an order stays here unless ``send_without_quote``.
    """

    max_drift: Decimal | None = None
    guard_exits: bool = False
    send_without_quote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """A person's word that nothing leaves this desk, or (``lifted``) that it may again."""

    at: datetime
    by: str
    reason: str
    lifted: bool = False


_REF_LENGTH = 40  # IB keeps free text; forty ASCII characters survive every report


def flatten_ref(*, desk: str, session: date, contract: FuturesContract, attempt: int) -> str:
    """Name an order that flattens: ``desk-20261120-ESZ26-F1``, with no model in it.

    Raises UsageError when the name would be longer than IB's field.
    """
    return _by_hand_ref(desk, session, contract, f"F{attempt}")


def roll_ref(
    *, desk: str, session: date, contract: FuturesContract, closes: bool, attempt: int
) -> str:
    """Name a leg of a roll by hand: ``desk-20261120-ESZ26-RC1`` and ``desk-20261120-ESH27-RO1``.

    Raises UsageError when the name would be longer than IB's field.
    """
    return _by_hand_ref(desk, session, contract, f"{'RC' if closes else 'RO'}{attempt}")


def _by_hand_ref(desk: str, session: date, contract: FuturesContract, effect: str) -> str:
    name = f"{desk}-{session:%Y%m%d}-{contract.symbol}-{effect}"
    if len(name) > _REF_LENGTH:
        raise UsageError(
            f"the order reference {name!r} is longer than {_REF_LENGTH} characters",
            hint="shorten the desk name",
        )
    return name


def shares(parts: Mapping[str, int], *, ordered: int, filled: int) -> dict[str, int]:
    """Divide what was filled of one order among the models it was made for. All signed.

    ``parts`` is what each model gives of the whole order; what they do not add up to belongs to
    nobody. A whole fill gives each its part exactly; of a partial one the fractions go, contract by
    contract, to the largest, so that nothing is lost or made. Shares of nobody are left out.
    """
    whole = dict(sorted(parts.items()))
    nobody = ""
    whole[nobody] = ordered - sum(parts.values())
    exact = {name: Fraction(part * filled, ordered) for name, part in whole.items()}
    given = {name: int(share // 1) for name, share in exact.items()}
    missing = filled - sum(given.values())
    by_fraction = sorted(exact, key=lambda name: (given[name] - exact[name], name))
    for name in by_fraction[:missing]:
        given[name] += 1
    del given[nobody]
    return given
