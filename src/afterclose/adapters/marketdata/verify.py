"""Read a whole store and prove that it is what its manifest says."""

from __future__ import annotations

from pathlib import Path

from afterclose.adapters.marketdata.contract_table import contract_hash
from afterclose.adapters.marketdata.digest import MODULUS
from afterclose.adapters.marketdata.draft import bar_digests, fx_digests
from afterclose.adapters.marketdata.layers import file_digest
from afterclose.adapters.marketdata.records import BarTable
from afterclose.adapters.marketdata.session_digests import added, stored_digests
from afterclose.adapters.marketdata.state import StoreState
from afterclose.errors import StoreCorrupt


def verify_store(path: Path) -> int:
    """Check every file and every sum; return the number of bars. Raises StoreCorrupt.

    Reads everything: seconds at full scale, so for a doctor and for tests, not for an evening.
    """
    state = StoreState.open(path)
    for layer in state.manifest.layers():
        if file_digest(path / layer.file) != layer.sha256:
            raise StoreCorrupt(f"{layer.file} is not the file that was written")
    bars = BarTable.joined(state.contract_bars(symbol) for symbol in state.contracts.symbols())
    rates = {currency: state.fx_series(currency) for currency in state.fx.all_keys()}
    by_day = {
        day: sum_ for day, sum_ in added(bar_digests(bars), fx_digests(rates)).items() if sum_
    }
    kept = stored_digests(state.session_digests, state.manifest)
    if by_day != {day: sum_ for day, sum_ in kept.items() if sum_}:
        raise StoreCorrupt("the sums of the sessions do not fit the bars")
    if sum(by_day.values()) % MODULUS != int(state.manifest.history_digest, 16):
        raise StoreCorrupt("the fingerprint of history does not fit the bars")
    records = state.contracts.records(state.contracts.symbols())
    facts = sum(contract_hash(record) for record in records) % MODULUS
    if facts != int(state.manifest.contracts_digest, 16):
        raise StoreCorrupt("the fingerprint of the contracts does not fit them")
    return len(bars)


def _known(by_day: dict[int, int]) -> dict[int, int]:
    """Without days whose rows were all taken out again."""
    return {day: digest for day, digest in by_day.items() if digest}
