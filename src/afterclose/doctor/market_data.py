"""Market data: is the source up and licensed, does the store read, is tonight's bar there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from afterclose.adapters.marketdata.freshness import Freshness, MarketFreshness, market_freshness
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.doctor.diagnosis import Diagnosis, fails, good, note
from afterclose.domain.contracts import Session
from afterclose.errors import AfterCloseError
from afterclose.market_sources import market_source
from afterclose.settings import DataSource, Settings

PART = "data"
_SHOWN = 8


def check(settings: Settings, session: Session) -> Iterator[Diagnosis]:
    """Look at source and store for the evening of a session."""
    yield source(settings, session)
    path = settings.resolve(settings.data.store)
    try:
        store = MarketStore.open(path)
        last = store.last_session
    except AfterCloseError as error:
        if settings.data.source is not None and not path.exists():
            said = f"{path.name} is not filled yet"
            yield note(PART, "store", said, "'afterclose update' fills it; 'tonight' does so, too")
        else:
            yield fails(PART, "store", str(error), error.hint or "fill it: 'afterclose update'")
        return
    yield good(PART, "store", f"{len(store.roots())} markets to {last} in {path.name}")
    late = [m for m in market_freshness(store, min(session, last)) if m.status is Freshness.LATE]
    yield fresh(settings, session, last, late, markets=len(store.roots()))


def stored_roots(settings: Settings) -> list[str]:
    """Return the markets of the store; none where it does not open."""
    try:
        return list(MarketStore.open(settings.resolve(settings.data.store)).roots())
    except AfterCloseError:
        return []


def source(settings: Settings, session: Session) -> Diagnosis:
    """Ask the source what it has: one that is down or not licensed has nothing."""
    chosen = settings.data.source
    if chosen is None:
        return note(PART, "source", "none is set: the store is filled by hand", "set data.source")
    if chosen is DataSource.GATEWAY:
        return good(PART, "source", "the gateway itself: its lines are below")
    try:
        roots = market_source(settings, session).roots()
    except AfterCloseError as error:
        return fails(PART, "source", f"{chosen.value}: {error}", error.hint)
    if not roots:
        remedy = (
            "is the futures package part of the subscription, and data.roots spelled as it spells?"
            if chosen is DataSource.NORGATE
            else "look into data.folder and data.roots"
        )
        return fails(PART, "source", f"{chosen.value} has no futures markets", remedy)
    return good(PART, "source", f"{chosen.value} is up, with {len(roots)} markets")


def fresh(
    settings: Settings,
    session: Session,
    last: Session,
    late: Sequence[MarketFreshness],
    *,
    markets: int,
) -> Diagnosis:
    """Say whether the bars of the evening are there, or can still come."""
    if last < session:
        said = f"the store ends on {last}, the evening is of {session}"
        if settings.data.source is None:
            return fails(PART, "fresh", said, "bring the store up to date; data.source does it")
        return note(PART, "fresh", said, "'afterclose update' brings it")
    if not late:
        return good(PART, "fresh", f"every market that owes a bar of {session} has it")
    newest = Counter(str(m.newest) for m in late).most_common(1)[0][0]
    names = " ".join(m.root for m in late[:_SHOWN])
    more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
    said = f"{len(late)} of {markets} markets are late, mostly since {newest}: {names}{more}"
    if len(late) > settings.data.max_late_share * markets:
        return fails(PART, "fresh", said, "'afterclose update --wait 3h' waits for the vendor")
    return note(PART, "fresh", said, "their openings are blocked tonight; update again")
