"""For how long: the next evening, the gateway's restart, the weekly login."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from afterclose import clock as calendar
from afterclose.doctor.diagnosis import Diagnosis, good, note
from afterclose.settings import Settings

PART = "hours"
_NEAR = timedelta(minutes=45)


def check(settings: Settings, now: datetime) -> Iterator[Diagnosis]:
    """Say what is next, and how far away it is."""
    session = calendar.session_at(now)
    following = calendar.next_session(session)
    starts = calendar.evening_of(following) + settings.data.start_after_close
    yield good(
        PART,
        "evening",
        f"the last session is {session}, the next {following}; its evening starts "
        f"{_in(starts - now)}, at {starts.astimezone():%a %Y-%m-%d %H:%M} here",
    )
    broker, sending = settings.broker, settings.sending
    if broker.restart != "never":
        at = calendar.next_time_of_day(now, broker.restart, broker.restart_zone)
        yield _until("restart", "the gateway restarts", at, now)
        if sending.weekly_login != "never":
            at = calendar.next_sunday(now, sending.weekly_login, broker.restart_zone)
            yield _until("login", "IBKR ends the login", at, now)


def _until(what: str, said: str, at: datetime, now: datetime) -> Diagnosis:
    told = f"{said} {_in(at - now)}, at {at.astimezone():%a %H:%M} here"
    if at - now < _NEAR:
        return note(PART, what, told, "begin nothing that has to be finished before; wait for it")
    return good(PART, what, told)


def _in(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min"]
    return f"in {' '.join(filter(None, parts))}"
