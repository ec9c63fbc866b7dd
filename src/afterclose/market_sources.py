"""Where a desk's bars come from: its settings become a source, and the source a store.

Imports that cost seconds (Arrow, ib_async, bcolz, Zipline) happen inside the functions that need
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from afterclose.bootstrap import specs
from afterclose.domain.contracts import ContractSpec, RootSymbol, Session
from afterclose.errors import ConfigError, UsageError
from afterclose.ports import Clock
from afterclose.settings import DataSource, Settings

if TYPE_CHECKING:
    from afterclose.adapters.ibkr import IbkrReader
    from afterclose.adapters.marketdata.source import MarketSource
    from afterclose.adapters.marketdata.update import RootUpdate, StoreUpdate
    from afterclose.adapters.zipline.bundle_export import ExportedBundle

#: Older bars warm no model of today.
_OLDEST = date(2000, 1, 3)


def update_market(
    settings: Settings,
    session: Session,
    clock: Clock,
    *,
    on_progress: Callable[[RootUpdate], None],
) -> StoreUpdate:
    """Bring the desk's store up to the session from its source, which may be the gateway.

    Raises ConfigError without a source, SourceUnavailable or BrokerError when it fails: the store
    then has what it had, and from a gateway also the markets that came before the failure.
    """
    from afterclose.adapters.marketdata.update import update_store  # noqa: PLC0415 - see the top
    from afterclose.adapters.zipline.bundle import ZiplineBundle  # noqa: PLC0415 - see the top

    path = settings.resolve(settings.data.store)
    if settings.data.source is DataSource.GATEWAY:
        return asyncio.run(_update_from_gateway(settings, session, clock, on_progress))
    source = market_source(settings, session)
    done = update_store(path, source, session=session, now=clock.now(), on_progress=on_progress)
    lost = source.losses() if isinstance(source, ZiplineBundle) else ()
    return replace(done, findings=tuple(lost))


async def _update_from_gateway(
    settings: Settings, session: Session, clock: Clock, on_progress: Callable[[RootUpdate], None]
) -> StoreUpdate:
    from afterclose.adapters.marketdata.gateway_history import update_from_gateway  # noqa: PLC0415
    from afterclose.adapters.marketdata.state import StoreState  # noqa: PLC0415 - see the top
    from afterclose.adapters.marketdata.update import (  # noqa: PLC0415 - see the top
        StoreUpdate,
        currencies_without_rates,
    )

    path = settings.resolve(settings.data.store)
    async with _reader(settings, clock) as reader:
        done = await update_from_gateway(
            path,
            reader,
            _gateway_specs(settings, session),
            session=session,
            now=clock.now(),
            on_progress=on_progress,
        )
    return StoreUpdate(
        session=session,
        roots=done.roots,
        revisions=done.revisions,
        rates=done.rates,
        without_rates=currencies_without_rates(StoreState.open(path)),
        passed_over=done.passed_over,
        failed=done.failed,
        rates_failed=done.rates_failed,
    )


def _gateway_specs(settings: Settings, session: Session) -> list[ContractSpec]:
    """The markets of the settings, or all whose unit is settled. Raises ConfigError."""
    mapping = settings.resolve(settings.mapping) if settings.mapping else None
    known, _ = specs(mapping, session=session)
    if not settings.data.roots:
        return [spec for spec in known.values() if not spec.blocked and spec.point_value]
    missing = [root for root in settings.data.roots if root not in known]
    if missing:
        raise ConfigError(
            f"data.roots names {', '.join(missing)}, which the contract table does not have",
            hint="add them to the mapping workbook, or leave them out",
        )
    return [known[RootSymbol(root)] for root in settings.data.roots]


def market_source(settings: Settings, session: Session) -> MarketSource:
    """Return the source of new bars. Raises ConfigError when none is configured, or half of one."""
    # fmt: off
    from afterclose.adapters.marketdata.generated_source import GeneratedSource  # noqa: PLC0415
    from afterclose.adapters.marketdata.loaded_source import LoadedSource  # noqa: PLC0415
    from afterclose.adapters.marketdata.real_history import RealHistory  # noqa: PLC0415
    from afterclose.adapters.marketdata.table_folder import TableFolder  # noqa: PLC0415
    # fmt: on

    data = settings.data
    if data.source is None:
        known = ", ".join(s.value for s in DataSource)
        raise ConfigError("no source of market data is set", hint=f"data.source is one of {known}")
    if data.source is DataSource.GATEWAY:
        raise UsageError(
            "the gateway tells of contracts that trade now, not of a whole market",
            hint="afterclose update fills the store from it",
        )
    if data.source is DataSource.NORGATE:
        return _norgate(settings, session)
    if data.source is DataSource.BUNDLE:
        return _bundle(settings, session)
    if data.source is DataSource.GENERATED:
        return GeneratedSource(today=session, seed=data.seed, only=data.roots or None)
    if data.folder is None:
        raise ConfigError(
            f"data.source is {data.source.value}, and data.folder is not set",
            hint="name the folder with the tables",
        )
    folder = settings.resolve(data.folder)
    if data.source is DataSource.FOLDER:
        return TableFolder(folder, only=data.roots)
    history = RealHistory(folder=folder)
    loaded = history.load(first=_OLDEST, last=session, roots=data.roots or None)
    return LoadedSource(name=history.name, data=loaded, today=session)


def export_bundle(
    settings: Settings, home: Path, *, name: str, roots: Collection[str], through: Session | None
) -> ExportedBundle:
    """Write the desk's store as a stock Zipline bundle under Zipline's folder ``home``."""
    from afterclose.adapters.marketdata.store import MarketStore  # noqa: PLC0415 - see the top
    from afterclose.adapters.zipline.bundle_export import export_store  # noqa: PLC0415

    store = MarketStore.open(settings.resolve(settings.data.store))
    return export_store(store, home.expanduser(), name=name, roots=roots, through=through)


def other_market(path: Path) -> MarketSource:
    """Return what lies in a folder, to compare the desk's data with: a store, or tables."""
    from afterclose.adapters.marketdata.store import MarketStore, is_store  # noqa: PLC0415
    from afterclose.adapters.marketdata.stored_source import StoredSource  # noqa: PLC0415
    from afterclose.adapters.marketdata.table_folder import TableFolder  # noqa: PLC0415

    return StoredSource(MarketStore.open(path)) if is_store(path) else TableFolder(path)


def _norgate(settings: Settings, session: Session) -> MarketSource:
    """Facts of contracts that the store has are asked for again once a week."""
    from afterclose.adapters.marketdata.norgate import NorgateSource  # noqa: PLC0415 - see the top
    from afterclose.adapters.marketdata.norgate_client import installed_norgate  # noqa: PLC0415
    from afterclose.adapters.marketdata.store import MarketStore, is_store  # noqa: PLC0415

    functions, only = installed_norgate(), settings.data.roots
    path = settings.resolve(settings.data.store)
    store = MarketStore.open(path) if is_store(path) else None
    if store is None or not store.symbols():
        return NorgateSource(functions=functions, only=only)
    week = store.last_session.isocalendar()[:2]
    return NorgateSource(
        functions=functions,
        only=only,
        known={record.symbol: record for record in store.contracts()},
        ask_facts_again=session.isocalendar()[:2] != week,
    )


def _bundle(settings: Settings, session: Session) -> MarketSource:
    from afterclose.adapters.marketdata.rates_file import read_rates  # noqa: PLC0415 - see the top
    from afterclose.adapters.zipline.bundle import RootFacts, ZiplineBundle  # noqa: PLC0415

    data = settings.data
    if not data.bundle:
        raise ConfigError(
            "data.source is bundle, and data.bundle is not set",
            hint='its name, as in: zipline ingest -b NAME; for instance "norgatedata-full-futures"',
        )
    known, _ = specs(
        settings.resolve(settings.mapping) if settings.mapping else None, session=session
    )
    facts = {
        str(root): RootFacts(
            currency=str(spec.currency),
            sector=spec.sector,
            tick_size=float(spec.from_ib(spec.tick_size)),
        )
        for root, spec in known.items()
    }
    facts |= {root: RootFacts(currency=currency) for root, currency in data.currencies.items()}
    home = data.folder or Path.home() / ".zipline"
    return ZiplineBundle(
        home=settings.resolve(home.expanduser()),
        bundle=data.bundle,
        facts=facts,
        only=data.roots,
        rates=read_rates(settings.resolve(data.rates)) if data.rates else {},
    )


def _reader(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[IbkrReader]:
    from afterclose.adapters import ibkr  # noqa: PLC0415 - see the module's docstring

    broker = settings.broker
    return ibkr.open_reader(
        host=broker.host,
        port=broker.port,
        client_id=broker.client_id,
        timeout_s=broker.timeout_s,
        account=settings.desk.account,
        clock=clock,
    )
