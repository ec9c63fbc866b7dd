"""``afterclose data show --plot``: a market's chain, or one contract, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.chain import Lead, leads, missing_bars
from afterclose.adapters.marketdata.records import ContractRecord
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.errors import UsageError
from afterclose.report.chain_chart import ChainChart, Month, Stretch, draw, page

#: Months drawn beyond the one that leads.
_MONTHS_AHEAD = 6


def market_chart(
    store: MarketStore, name: str, months: Sequence[ContractRecord], *, since: date
) -> ChainChart:
    """Gather what the picture shows: bars since then, who led, and where bars are missing."""
    last = max((record.last_session for record in months), default=store.last_session)
    led = leads(store, months[0].root, first=since, last=last) if months else []
    drawn = _drawn(months, led)
    shown = [_month(store, record, led, since) for record in drawn]
    missing = sum(len(month.missing) for month in shown)
    left_out = len(months) - len(drawn)
    further = f" and {left_out} further months not drawn" if left_out else ""
    return ChainChart(
        title=f"{name}: {months[0].name}" if months else name,
        subtitle=f"{since} to {last}; months drawn: {len(shown)}{further}; "
        f"missing bars: {missing}; {store.source}, vendor prices",
        first=since,
        last=last,
        months=shown,
    )


def _drawn(months: Sequence[ContractRecord], led: Sequence[Lead]) -> list[ContractRecord]:
    """Every month up to the last that led, and the next few."""
    leaders = {lead.symbol for lead in led}
    last = max((at for at, record in enumerate(months) if record.symbol in leaders), default=0)
    return list(months[: last + 1 + _MONTHS_AHEAD])


def _month(store: MarketStore, record: ContractRecord, led: Sequence[Lead], since: date) -> Month:
    bars = store.bars(record.symbol).between(
        np.datetime64(since, "D"), np.datetime64(record.last_session, "D")
    )
    first = max(since, record.first_session)
    holes = missing_bars(record, store.bars(record.symbol), first=first, last=record.last_session)
    return Month(
        symbol=record.symbol,
        days=bars.sessions.tolist(),
        closes=bars.close.tolist(),
        led=[Stretch(first=x.first, last=x.last) for x in led if x.symbol == record.symbol],
        missing=[(hole.session, str(hole.reason)) for hole in holes],
        first_notice=record.first_notice,
        last_trade=record.last_trade,
        auto_close=record.auto_close,
    )


def write_chart(chart: ChainChart, path: Path) -> None:
    """Write an SVG drawing or an HTML page, by the file's name. Raises UsageError for another."""
    writers = {".svg": draw, ".html": page, ".htm": page}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"{path.name} is neither a drawing nor a page", hint="name it .svg or .html"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(writer(chart), encoding="utf-8", newline="\n")
