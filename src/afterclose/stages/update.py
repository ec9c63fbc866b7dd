"""Update: prove that the market data of tonight's session is here, market by market.

A late market blocks its own rows. The whole evening is blocked only when more than a configured
share of the markets is late; exits are never held up by another market's data. A market
that stopped early for an American holiday is not late: its openings wait all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from afterclose.domain.contracts import Session
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import StaleBars, UsageError
from afterclose.ports import MarketData

#: No exchange is closed for longer. Markets without bars for a month count as ended and owe none.
_LONGEST_HOLIDAY = timedelta(days=21)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What the store knows of one session. ``late``: root → why its bar is not there.

    ``no_close``: root → that there is none to wait for.
    """

    session: Session
    fingerprint: str
    roots: int
    late: Mapping[str, Finding]
    no_close: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def without_bar(self) -> Mapping[str, Finding]:
        """Markets whose signals are of an earlier close: their openings wait."""
        return {**self.no_close, **self.late}

    @property
    def late_share(self) -> Decimal:
        """Late markets among all."""
        return Decimal(len(self.late)) / self.roots if self.roots else Decimal(1)


def blocking(freshness: Freshness, *, max_late_share: Decimal) -> tuple[Finding, ...]:
    """Return what blocks the whole evening, and not only the rows of one market."""
    if freshness.late_share <= max_late_share:
        return ()
    return (
        Finding(
            code="AC108",
            severity=Severity.BLOCK,
            subject=f"session {freshness.session}",
            message=(
                f"{len(freshness.late)} of {freshness.roots} markets have no bar of the "
                f"session, more than the {max_late_share:.0%} that may be late"
            ),
            hint="update again when the vendor has published, or raise data.max_late_share",
            evidence={"late": len(freshness.late), "markets": freshness.roots},
        ),
    )


def evening_findings(freshness: Freshness, *, max_late_share: Decimal) -> tuple[Finding, ...]:
    """Return every market without a bar, and the block of the evening when there are too many."""
    said = (*freshness.late.values(), *freshness.no_close.values())
    return (*said, *blocking(freshness, max_late_share=max_late_share))


def require_closed(data: MarketData, session: Session, closed: Session) -> None:
    """Refuse an evening that has not come. ``closed`` is the last session that is over.

    A rehearsal may be ahead of the calendar: where the store has bars that late, it may go on.
    Raises UsageError.
    """
    if session > max(closed, data.last_session()):
        raise UsageError(
            f"{session} is not over: the last session that has closed is {closed}",
            hint=f"prepare that one: leave --session away, or write --session {closed}",
        )


def run(data: MarketData, session: Session) -> Freshness:
    """Prove that the session is there.

    Raises StaleBars when the store ends before it, and says when that is no fault of the data.
    """
    newest = data.last_session()
    holiday = newest >= session - _LONGEST_HOLIDAY  # a store nobody updated owes more than a day
    if newest < session and holiday and data.roots() and not data.late(session):
        raise StaleBars(  # a desk of markets abroad alone, or of American ones, on their holiday
            f"no market of this desk has a close of {session}: their exchanges were closed, or "
            "stopped early for a holiday",
            hint="nothing is missing and nothing is to be done tonight; positions stand",
        )
    if newest < session:
        raise StaleBars(
            f"the market data ends on {newest}, tonight's session is {session}",
            hint="run 'afterclose update', or name an earlier evening with --session",
        )
    roots = data.roots()
    return Freshness(
        session=session,
        fingerprint=data.fingerprint,
        roots=len(roots),
        late=data.late(session),
        no_close=data.no_close(session),
    )
