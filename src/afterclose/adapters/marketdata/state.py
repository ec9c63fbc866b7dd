"""One state of the store, opened: what its manifest names, mapped into memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from afterclose.adapters.marketdata.contract_table import ContractTable
from afterclose.adapters.marketdata.layers import LayeredSeries, map_arrow
from afterclose.adapters.marketdata.manifest import Manifest, read_manifest
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    ContractBars,
    ContractRecord,
    FxSeries,
)
from afterclose.errors import DataError, StoreCorrupt

_EPOCH = date(1970, 1, 1)
_OPEN_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class StoreState:
    """Manifest, bars, exchange rates and contracts that belong together."""

    folder: Path
    manifest: Manifest
    bars: LayeredSeries
    fx: LayeredSeries
    contracts: ContractTable
    session_digests: tuple[Any, ...]  # pyarrow.RecordBatch
    revisions: tuple[Any, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The present state. A writer may replace it meanwhile; then the newer one is opened.

        Raises DataError when there is no store, StoreCorrupt when files are missing or damaged.
        """
        missing = ""
        for _ in range(_OPEN_ATTEMPTS):
            manifest = read_manifest(folder)
            if manifest is None:
                raise DataError(
                    f"there is no market store in {folder}", hint="load one: afterclose update"
                )
            try:
                return cls.of(folder, manifest)
            except FileNotFoundError as error:
                missing = Path(error.filename or "").name
                if read_manifest(folder) == manifest:
                    break
        raise StoreCorrupt(f"the market store in {folder} has lost a file: {missing}")

    @classmethod
    def of(cls, folder: Path, manifest: Manifest) -> Self:
        """The state a manifest names; FileNotFoundError when one of its files is gone."""
        return cls(
            folder,
            manifest,
            LayeredSeries.open(folder, manifest.bars),
            LayeredSeries.open(folder, manifest.fx),
            ContractTable.open(folder, manifest.contracts),
            tuple(map_arrow(folder, layer) for layer in manifest.session_digests),
            tuple(map_arrow(folder, layer) for layer in manifest.revisions),
        )

    def records(self, symbols: Iterable[str]) -> list[ContractRecord]:
        """Contracts with the first and last session of their bars as of this state."""
        return [self._dated(record) for record in self.contracts.records(symbols)]

    def _dated(self, record: ContractRecord) -> ContractRecord:
        if len(self.bars.files) <= 1:
            return record
        last = self.bars.last_day(record.symbol)
        if last is None or last == (record.last_session - _EPOCH).days:
            return record
        return replace(record, last_session=_EPOCH + timedelta(days=last))

    def contract_bars(self, symbol: str) -> ContractBars:
        """Bars of a contract; none for a contract that never traded."""
        return ContractBars(
            symbol=symbol,
            sessions=self.bars.sessions(symbol),
            **{name: self.bars.column(symbol, name) for name in BAR_COLUMNS},
        )

    def fx_series(self, currency: str) -> FxSeries:
        """Dollars per unit of ``currency``."""
        return FxSeries(
            currency=currency,
            sessions=self.fx.sessions(currency),
            usd_per_unit=self.fx.column(currency, "usd_per_unit"),
        )
