"""The next state of a store while it is put together; nothing is visible before the commit."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from afterclose.adapters.marketdata.arrange import fx_columns
from afterclose.adapters.marketdata.contract_table import contract_batch, contract_hash
from afterclose.adapters.marketdata.digest import MODULUS, row_hashes, totals_by_session
from afterclose.adapters.marketdata.layers import series_batch, write_arrow
from afterclose.adapters.marketdata.manifest import Layer, LayerKind, Manifest, replace_manifest
from afterclose.adapters.marketdata.records import (
    BAR_COLUMNS,
    BarTable,
    ContractRecord,
    FxSeries,
)
from afterclose.adapters.marketdata.revisions import Revision, revision_batch
from afterclose.adapters.marketdata.session_digests import (
    added,
    digest_batch,
    negative,
    recent_digests,
    recent_text,
)
from afterclose.adapters.marketdata.state import StoreState

_EPOCH = date(1970, 1, 1)
_OWN_FILE = re.compile(
    r"(bars|fx|contracts|digests|revisions)-\d{6,}-\d{2,}\.arrow|manifest\.json\.draft"
)


@dataclass(slots=True)
class Draft:
    """A folder, the state it had, and the manifest it is about to get."""

    folder: Path
    manifest: Manifest

    def state(self) -> StoreState:
        """The drafted state, opened."""
        return StoreState.of(self.folder, self.manifest)

    def write(self, stem: str, batch: Any, kind: LayerKind) -> Layer:  # pyarrow.RecordBatch
        """A new file with a name that no other state has used."""
        generation = self.manifest.generation + 1
        number = 0
        while (path := self.folder / f"{stem}-{generation:06d}-{number:02d}.arrow").exists():
            number += 1
        return write_arrow(path, batch, kind=kind)

    def put_bars(self, kind: LayerKind, table: BarTable) -> None:
        """Add bars. The caller takes the digests of rows that these supersede out again."""
        columns = {name: getattr(table, name) for name in BAR_COLUMNS}
        batch = series_batch("symbol", table.symbols, table.codes, table.sessions, columns)
        self._put("bars", self.write("bars", batch, kind))
        if len(table):
            last = max(self.manifest.last_session, str(table.sessions.max()))
            self.manifest = self.manifest.with_changes(last_session=last)

    def put_fx(self, kind: LayerKind, series: Mapping[str, FxSeries]) -> None:
        """Add exchange rates."""
        currencies, codes, sessions, rates = fx_columns(series)
        batch = series_batch("currency", currencies, codes, sessions, {"usd_per_unit": rates})
        self._put("fx", self.write("fx", batch, kind))

    def put_contracts(self, kind: LayerKind, records: Sequence[ContractRecord]) -> None:
        """Add contracts, or new facts of known ones."""
        self._put("contracts", self.write("contracts", contract_batch(records), kind))

    def put_revisions(self, revisions: Sequence[Revision]) -> None:
        """Add to the log of changed history."""
        layer = self.write("revisions", revision_batch(revisions), LayerKind.APPEND)
        self._put("revisions", layer)

    def put_session_digests(self, by_day: Mapping[int, int]) -> None:
        """Write the sums of all sessions afresh and start the recent ones anew."""
        layer = self.write("digests", digest_batch(by_day), LayerKind.BASE)
        self.manifest = self.manifest.with_changes(session_digests=(layer,), recent_digests={})

    def count_history(self, by_day: Mapping[int, int], *, removed: bool = False) -> None:
        """Add rows to the digest of history, or take them out."""
        change = negative(by_day) if removed else dict(by_day)
        recent = added(recent_digests(self.manifest), change)
        history = (int(self.manifest.history_digest, 16) + sum(change.values())) % MODULUS
        self.manifest = self.manifest.with_changes(
            recent_digests=recent_text(recent), history_digest=f"{history:016x}"
        )

    def count_contracts(
        self, records: Sequence[ContractRecord], *, instead_of: Sequence[ContractRecord] = ()
    ) -> None:
        """Add contracts to the digest, taking out the records that they replace."""
        total = int(self.manifest.contracts_digest, 16)
        total += sum(contract_hash(record) for record in records)
        total -= sum(contract_hash(record) for record in instead_of)
        self.manifest = self.manifest.with_changes(contracts_digest=f"{total % MODULUS:016x}")

    def _put(self, group: str, layer: Layer) -> None:
        kept = () if layer.kind is LayerKind.BASE else getattr(self.manifest, group)
        self.manifest = self.manifest.with_changes(**{group: (*kept, layer)})

    def commit(self) -> None:
        """Make the draft the state of the store, then sweep away files no state needs."""
        self.manifest = self.manifest.with_changes(generation=self.manifest.generation + 1)
        replace_manifest(self.folder, self.manifest)
        sweep(self.folder, self.manifest)


def sweep(folder: Path, manifest: Manifest) -> None:
    """Remove our files that belong to no state any more, and nothing else.

    One that a reader has still mapped cannot be removed on Windows; it stays for a later sweep.
    """
    needed = {layer.file for layer in manifest.layers()}
    for path in folder.iterdir():
        if _OWN_FILE.fullmatch(path.name) and path.name not in needed:
            with contextlib.suppress(PermissionError):
                path.unlink()


def bar_digests(table: BarTable) -> dict[int, int]:
    """Sums of row hashes by day number."""
    columns = [getattr(table, name) for name in BAR_COLUMNS]
    hashes = row_hashes(table.symbols, table.codes, table.sessions, columns)
    return totals_by_session(table.sessions, hashes)


def fx_digests(series: Mapping[str, FxSeries]) -> dict[int, int]:
    """Sums of row hashes of exchange rates by day number."""
    currencies, codes, sessions, rates = fx_columns(series)
    keys = [f"fx {currency}" for currency in currencies]
    return totals_by_session(sessions, row_hashes(keys, codes, sessions, [rates]))
