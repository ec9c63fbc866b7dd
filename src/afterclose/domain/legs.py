"""The attempts at one order, and the two legs of a roll. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import TradeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LonePair:
    """A roll of which one leg filled further than the other, whose last attempt is ``lagging``."""

    lagging: OrderLife
    filled: int
    ahead: OrderLife
    filled_ahead: int
    since: datetime

    def text(self, now: datetime) -> str:
        """Say it in words, with how long it has been so."""
        minutes = (now - self.since).total_seconds() / 60
        return (
            f"A ROLL STANDS ON ONE LEG for {minutes:.0f} minutes: {self.filled_ahead} filled in "
            f"{self.ahead.order.contract}, {self.filled} in {self.lagging.order.contract}"
        )


def attempts_at(lives: Mapping[str, OrderLife], order_ref: str) -> tuple[OrderLife, ...]:
    """Return the attempts at one order, the first one first; empty where it is not known."""
    following = {life.order.replaces: ref for ref, life in lives.items() if life.order.replaces}
    found, ref = [], order_ref if order_ref in lives else None
    while ref is not None:
        found.append(lives[ref])
        ref = following.get(ref)
    return tuple(found)


def last_attempts(lives: Iterable[OrderLife]) -> tuple[OrderLife, ...]:
    """Leave out the orders that were ended to be gone on with: their last attempt tells."""
    known = tuple(lives)
    gone_on = {life.order.replaces for life in known}
    return tuple(life for life in known if life.order.order_ref not in gone_on)


def lone_pairs(lives: Mapping[str, OrderLife]) -> Iterator[LonePair]:
    """Yield each roll whose legs differ and whose lagging leg is not filled to its end."""
    for ref, life in lives.items():
        order = life.order
        if order.kind is not TradeKind.ROLL_OPEN or order.replaces or not order.roll_pair:
            continue
        legs = attempts_at(lives, ref), attempts_at(lives, order.roll_pair)
        if not all(legs):
            continue
        lagging, ahead = sorted(legs, key=filled_by)
        pair = _alone(lagging, ahead)
        if pair is not None:
            yield pair


def _alone(lagging: Sequence[OrderLife], ahead: Sequence[OrderLife]) -> LonePair | None:
    filled, wanted = filled_by(lagging), lagging[0].order.quantity
    if filled >= wanted or filled_by(ahead) <= filled:
        return None
    before = 0
    for fill in sorted((f for life in ahead for f in life.fills), key=lambda f: f.at):
        before += fill.quantity
        if before > filled:
            return LonePair(
                lagging=lagging[-1],
                filled=filled,
                ahead=ahead[-1],
                filled_ahead=filled_by(ahead),
                since=fill.at,
            )
    return None


def filled_by(leg: Iterable[OrderLife]) -> int:
    """Contracts that all attempts at one order filled."""
    return sum(life.filled for life in leg)
