"""The store as an evening sees it: the newest session, what is late, and single closes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path

import numpy as np

from afterclose.adapters.marketdata.chain import leads
from afterclose.adapters.marketdata.freshness import market_freshness
from afterclose.adapters.marketdata.quality import check_bars
from afterclose.adapters.marketdata.records import FloatArray, FxSeries, SessionArray
from afterclose.adapters.marketdata.revisions import revised_roots
from afterclose.adapters.marketdata.store import MarketStore
from afterclose.clock import evening_of, session_on_or_before
from afterclose.domain.contracts import Currency, FuturesContract, RootSymbol, Session
from afterclose.domain.findings import Finding
from afterclose.domain.market import VendorContract
from afterclose.errors import DataError

#: Changes of the close that make a daily move.
_MOVES = 20
_DOLLAR = Currency("USD")
_NO_CLOSES: FloatArray = np.empty(0)
_BEGINNING = np.datetime64("0001-01-01", "D")
#: The month with the most volume in these days leads its market.
_LEADS_OF = timedelta(days=7)


class DeskMarketData:
    """``ports.MarketData`` on an open store."""

    def __init__(self, store: MarketStore) -> None:
        self._store = store
        self._rates: dict[Currency, FxSeries] = {}
        self._traded: dict[str, tuple[SessionArray, FloatArray]] = {}
        self._months = {(r.root, r.contract_month): r.symbol for r in store.contracts()}

    @property
    def path(self) -> Path:
        """Where the store lives."""
        return self._store.path

    @property
    def source(self) -> str:
        """Where the bars came from."""
        return self._store.source

    @property
    def fingerprint(self) -> str:
        """Digest of the content."""
        return self._store.fingerprint

    def roots(self) -> Sequence[str]:
        """Every market in the store."""
        return self._store.roots()

    def last_session(self) -> Session:
        """The newest session in the store."""
        return self._store.last_session

    def late(self, session: Session) -> Mapping[str, Finding]:
        """Roots whose own market had this session and that have no bar of it."""
        states = market_freshness(self._store, session)
        return {m.root: m.finding for m in states if m.finding is not None}

    def no_close(self, session: Session) -> Mapping[str, Finding]:
        """Roots that stopped early for an American holiday, and so have no bar of the session."""
        states = market_freshness(self._store, session)
        return {m.root: m.no_close for m in states if m.no_close is not None}

    def quality(
        self, contracts: Collection[FuturesContract], session: Session
    ) -> Mapping[RootSymbol, tuple[Finding, ...]]:
        """Check the session's bars of these contracts, and of the months that lead their roots."""
        found: dict[RootSymbol, list[Finding]] = {}
        for root, symbol in self._looked_at(contracts, session):
            record, bars = self._store.contract(symbol), self._store.bars(symbol)
            known = bars.between(_BEGINNING, np.datetime64(session, "D"))
            if len(known) and known.sessions[-1] == np.datetime64(session, "D"):
                found.setdefault(root, []).extend(check_bars(record, known, since=session))
        return {root: tuple(findings) for root, findings in found.items() if findings}

    def _looked_at(
        self, contracts: Collection[FuturesContract], session: Session
    ) -> list[tuple[RootSymbol, str]]:
        """Each root with the contracts of interest that the store has."""
        chosen: dict[tuple[RootSymbol, str], None] = {}
        for contract in sorted(contracts):
            symbol = self._months.get((contract.root, contract.month.yyyymm))
            if symbol is not None:
                chosen[contract.root, symbol] = None
        for root in sorted({root for root, _ in chosen}):
            for lead in leads(self._store, root, first=session - _LEADS_OF, last=session)[-1:]:
                chosen[root, lead.symbol] = None
        return sorted(chosen)

    def revised(self, session: Session) -> Mapping[str, Finding]:
        """Roots and currencies of which history changed since the evening before."""
        before = session_on_or_before(session - timedelta(days=1))
        return revised_roots(self._store.revisions(), self._store, since=evening_of(before))

    def last_close(self, contract: FuturesContract, session: Session) -> Decimal | None:
        """Last known close up to ``session``, as the shortest text of its float."""
        known = self._closes(contract, session)
        return Decimal(repr(float(known[-1]))) if len(known) else None

    def daily_move(self, contract: FuturesContract, session: Session) -> Decimal | None:
        """Standard deviation (about zero) of the last twenty changes of the close."""
        closes = self._closes(contract, session)[-(_MOVES + 1) :]
        if len(closes) <= _MOVES:
            return None
        changes = np.diff(closes)
        return Decimal(repr(float(np.sqrt(np.mean(changes**2)))))

    def _closes(self, contract: FuturesContract, session: Session) -> FloatArray:
        """Known closes up to a session; a contract's are joined from the store's layers once."""
        symbol = self._months.get((contract.root, contract.month.yyyymm))
        if symbol is None:
            return _NO_CLOSES
        known = self._traded.get(symbol)
        if known is None:
            bars = self._store.bars(symbol)
            finite = np.isfinite(bars.close)
            known = self._traded[symbol] = bars.sessions[finite], bars.close[finite]
        sessions, closes = known
        return closes[: int(np.searchsorted(sessions, np.datetime64(session, "D"), side="right"))]

    def rate(self, currency: Currency, base: Currency, session: Session) -> Decimal | None:
        """Value of one unit of a currency in another, last known up to ``session``."""
        if currency == base:
            return Decimal(1)
        unit, other = self._dollars(currency, session), self._dollars(base, session)
        return None if unit is None or not other else unit / other

    def _dollars(self, currency: Currency, session: Session) -> Decimal | None:
        if currency == _DOLLAR:
            return Decimal(1)
        series = self._rates.get(currency)
        if series is None:
            try:
                series = self._rates[currency] = self._store.fx(currency)
            except DataError:
                return None
        end = int(np.searchsorted(series.sessions, np.datetime64(session, "D"), side="right"))
        return Decimal(repr(float(series.usd_per_unit[end - 1]))) if end else None

    def vendor_contract(self, contract: FuturesContract) -> VendorContract | None:
        """Point value, first notice and last trade, as the source of the store knows them."""
        symbol = self._months.get((contract.root, contract.month.yyyymm))
        if symbol is None:
            return None
        record = self._store.contract(symbol)
        known = isfinite(record.point_value) and record.point_value > 0
        return VendorContract(
            point_value=Decimal(repr(float(record.point_value))) if known else None,
            first_notice=record.first_notice,
            last_trade=record.last_trade,
        )
