"""Keep the number of files small: fold what was added since the base, sometimes the base too."""

from __future__ import annotations

from collections.abc import Iterable

from afterclose.adapters.marketdata.draft import Draft
from afterclose.adapters.marketdata.layers import LayeredSeries, map_arrow
from afterclose.adapters.marketdata.manifest import Layer, LayerKind
from afterclose.adapters.marketdata.records import BAR_COLUMNS, BarTable, ContractBars, FxSeries
from afterclose.adapters.marketdata.revisions import Revision, read_revisions
from afterclose.adapters.marketdata.session_digests import stored_digests

#: A month of sessions: opening stays fast, and what was added is rewritten once a month at most.
MAX_LAYERS = 24
#: Sums of single days that the manifest itself may carry; it is read whole on every opening.
MAX_DAYS_IN_MANIFEST = 100


def merge_tail(draft: Draft) -> None:
    """Fold the files since the base into two when they have become many. The base stays."""
    if len(draft.manifest.bars) > MAX_LAYERS:
        _merge_bars(draft)
    if len(draft.manifest.fx) > MAX_LAYERS:
        _merge_fx(draft)
    if len(draft.manifest.contracts) > MAX_LAYERS:
        _merge_contracts(draft)
    if len(draft.manifest.revisions) > MAX_LAYERS:
        _merge_revisions(draft)
    if len(draft.manifest.recent_digests) > MAX_DAYS_IN_MANIFEST:
        fold_digests(draft)


def fold_digests(draft: Draft) -> None:
    """Move the sums of single days from the manifest into their file."""
    batches = [map_arrow(draft.folder, layer) for layer in draft.manifest.session_digests]
    draft.put_session_digests(stored_digests(batches, draft.manifest))


def compacted(draft: Draft) -> None:
    """Fold everything into one file of each kind."""
    state = draft.state()
    symbols = state.contracts.symbols()
    bars = BarTable.joined(state.contract_bars(symbol) for symbol in symbols)
    rates = {currency: state.fx_series(currency) for currency in state.fx.all_keys()}
    draft.put_bars(LayerKind.BASE, bars)
    draft.put_fx(LayerKind.BASE, rates)
    draft.put_contracts(LayerKind.BASE, state.records(symbols))
    fold_digests(draft)
    if len(draft.manifest.revisions) > 1:
        _merge_revisions(draft)


def _merge_bars(draft: Draft) -> None:
    base, tail = draft.manifest.bars[:1], draft.manifest.bars[1:]
    layered = LayeredSeries.open(draft.folder, tail)
    kinds: dict[LayerKind, list[ContractBars]] = {}
    for symbol in layered.all_keys():
        bars = ContractBars(
            symbol=symbol,
            sessions=layered.sessions(symbol),
            **{name: layered.column(symbol, name) for name in BAR_COLUMNS},
        )
        kinds.setdefault(_kind(layered, symbol), []).append(bars)
    draft.manifest = draft.manifest.with_changes(bars=base)
    for kind, pieces in kinds.items():
        draft.put_bars(kind, BarTable.joined(pieces))


def _kind(layered: LayeredSeries, key: str) -> LayerKind:
    """Rows that supersede what the base holds still do after folding."""
    replaced = any(
        file.kind is LayerKind.REPLACE and key in file.position for file in layered.files
    )
    return LayerKind.REPLACE if replaced else LayerKind.APPEND


def _merge_fx(draft: Draft) -> None:
    base, tail = draft.manifest.fx[:1], draft.manifest.fx[1:]
    layered = LayeredSeries.open(draft.folder, tail)
    kinds: dict[LayerKind, dict[str, FxSeries]] = {}
    for currency in layered.all_keys():
        kinds.setdefault(_kind(layered, currency), {})[currency] = FxSeries(
            currency=currency,
            sessions=layered.sessions(currency),
            usd_per_unit=layered.column(currency, "usd_per_unit"),
        )
    draft.manifest = draft.manifest.with_changes(fx=base)
    for kind, series in kinds.items():
        draft.put_fx(kind, series)


def _merge_contracts(draft: Draft) -> None:
    base, tail = draft.manifest.contracts[:1], draft.manifest.contracts[1:]
    changed = list(dict.fromkeys(_symbols(draft, tail)))
    records = draft.state().records(changed)
    draft.manifest = draft.manifest.with_changes(contracts=base)
    draft.put_contracts(LayerKind.REPLACE, records)


def _symbols(draft: Draft, layers: Iterable[Layer]) -> Iterable[str]:
    for layer in layers:
        yield from map_arrow(draft.folder, layer).column("symbol").to_pylist()


def _merge_revisions(draft: Draft) -> None:
    log: list[Revision] = read_revisions(draft.state().revisions)
    draft.manifest = draft.manifest.with_changes(revisions=())
    draft.put_revisions(log)
