"""The whole visit: every part of the desk, in the order in which an evening needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from afterclose import clock as calendar
from afterclose.doctor import books, channels, gateway, hours, machine, market_data, models
from afterclose.doctor.diagnosis import Diagnosis, fails
from afterclose.domain.contracts import RootSymbol, Session
from afterclose.errors import AfterCloseError
from afterclose.ports import Clock
from afterclose.settings import Settings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What to look at. ``knock`` sends a word on every channel."""

    home: Path
    clock: Clock
    session: Session | None = None
    knock: bool = False


async def visit(asked: Visit, *, on_part: Callable[[str], None]) -> tuple[Diagnosis, ...]:
    """Look at everything. What fails stops nothing else; ``on_part`` hears what is looked at."""
    now = asked.clock.now()
    session = asked.session or calendar.session_at(now)
    on_part("this machine")
    found = [*machine.check(asked.home)]
    try:
        settings = load(asked.home)
    except AfterCloseError as error:
        return (*found, fails("settings", "settings", str(error), error.hint))
    on_part("the books")
    found += books.check(settings)
    table, lines = books.mapping(settings, session)
    found += lines
    on_part("market data")
    found += _guarded("data", lambda: market_data.check(settings, session))
    on_part("the models")
    found += models.check(settings, session)
    on_part("the gateway")
    found += await gateway.check(settings, asked.clock, session, table, markets(settings, table))
    on_part("hours and channels")
    found += hours.check(settings, now)
    found += channels.check(settings, knock=asked.knock)
    return tuple(found)


def markets(settings: Settings, table: Collection[RootSymbol]) -> list[str]:
    """Markets that tonight can trade: the models', else the store's, else all that are wanted."""
    named = {root for model in settings.models for root in model.roots}
    if named and all(model.roots for model in settings.models):
        return sorted(named)
    stored = market_data.stored_roots(settings)
    return stored or sorted(settings.data.roots) or sorted(str(root) for root in table)


def _guarded(part: str, check: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    """A source is foreign code and foreign files: whatever stops it becomes a line."""
    try:
        yield from check()
    except AfterCloseError as error:
        yield fails(part, part, str(error), error.hint)
