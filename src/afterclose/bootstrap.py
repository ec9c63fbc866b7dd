"""The composition root: settings become adapters, adapters become a desk.

The only module that knows every adapter. Imports that cost seconds (Arrow, SQL, ib_async) happen
inside the functions that need them, so that ``afterclose --help`` does not pay for them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afterclose import __version__
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.files.workbook import override, override_findings, read_workbook
from afterclose.adapters.patience import AT_ONCE, Patience
from afterclose.adapters.zipline.desk_runner import DeskRunner
from afterclose.domain.contracts import ContractSpec, RootSymbol, Session
from afterclose.domain.findings import Finding
from afterclose.domain.notices import Notice
from afterclose.domain.orders import Approval
from afterclose.errors import ConfigError, LedgerError, UsageError
from afterclose.evening.journal import last_decided
from afterclose.ports import (
    BrokerReader,
    Clock,
    Ledger,
    MarginPreview,
    ModelRunner,
    Notifier,
    OrderDesk,
)
from afterclose.settings import Settings, channel_address

if TYPE_CHECKING:
    from afterclose.adapters.ledger.store import SqlLedger
    from afterclose.evening.desk import Desk


def specs(
    mapping: Path | None, *, session: Session | None = None
) -> tuple[Mapping[RootSymbol, ContractSpec], tuple[Finding, ...]]:
    """Return the packaged contract table, overridden row by row by the desk's own workbook.

    ``session`` chooses among rows that are valid for a time only.
    """
    packaged = packaged_specs()
    if mapping is None:
        return packaged, ()
    if not mapping.is_file():
        raise UsageError(
            f"the mapping {mapping} does not exist",
            hint="correct 'mapping' in the settings, or leave it out to use the packaged table",
        )
    reading = read_workbook(mapping.read_bytes(), source=mapping.name, session=session)
    findings = (*reading.findings, *override_findings(packaged, reading))
    return override(packaged, reading), findings


def open_ledger(settings: Settings) -> SqlLedger:
    """Open the ledger of a desk, or make a new desk's. Raises LedgerError.

    A file that is gone from under evenings that were decided is not made anew: an empty ledger
    knows of no order that left and of nothing that the models hold.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - see above

    from afterclose.adapters.ledger.engine import file_of  # noqa: PLC0415 - see above
    from afterclose.adapters.ledger.place import this_place  # noqa: PLC0415 - see above
    from afterclose.adapters.ledger.store import SqlLedger  # noqa: PLC0415 - see above

    file = file_of(make_url(settings.ledger_url))
    gone = file is not None and not (file.is_file() and file.stat().st_size)
    decided = last_decided(settings.runs) if gone else None
    if decided is not None:
        raise LedgerError(
            f"the ledger {file} is gone, and this desk has evenings: the last that was decided is "
            f"{decided}",
            hint="put the newest backup in its place ('afterclose ledger adopt' takes it over), "
            f"then settle; to begin anew on purpose, move {settings.runs} away",
        )
    return SqlLedger(settings.ledger_url, desk=settings.desk.name, here=this_place(settings.home))


def require_own_ledger(settings: Settings, ledger: SqlLedger) -> None:
    """Refuse the ledger of another account: what is held there is not held here.

    Two desks of one name on one server are met so, and a desk whose account was changed. Another
    machine, or another folder, of the same desk trades the same account. Raises ConfigError.
    """
    known, ours = ledger.accounts(), settings.desk.account
    if not known or ours in known:
        return
    others = ", ".join(f"{account[:2]}…{account[-2:]}" for account in sorted(known))
    raise ConfigError(
        f"the ledger of the desk {settings.desk.name} is of another account ({others}) than "
        "desk.account",
        hint="two desks on one server need two names (desk.name); a desk that goes to another "
        "account begins anew: move its 'runs' and its ledger away (on a server: another desk.name),"
        " and 'afterclose adopt' takes over what the account holds",
    )


def open_desk(
    settings: Settings,
    clock: Clock,
    *,
    say: Callable[[str], None],
    runner: ModelRunner | None = None,
    session: Session | None = None,
    patience: Patience = AT_ONCE,
    to_halt: bool = False,
) -> Desk:
    """Make a desk from settings. Raises ConfigError when something it needs is not set.

    ``patience`` is how long a gateway that does not answer is waited for. ``to_halt``: whatever
    else is wrong, a halt can be written.
    """
    if not settings.desk.account:
        raise ConfigError(
            "no account is configured",
            hint="set desk.account in afterclose.toml (paper accounts start with DU)",
        )
    from afterclose.adapters.files.tws_baskets import TwsBaskets  # noqa: PLC0415 - see above
    from afterclose.adapters.marketdata.desk_view import DeskMarketData  # noqa: PLC0415
    from afterclose.adapters.marketdata.store import MarketStore  # noqa: PLC0415 - see above
    from afterclose.evening.desk import Desk  # noqa: PLC0415 - see above

    table, findings = specs(
        settings.resolve(settings.mapping) if settings.mapping else None, session=session
    )
    for finding in findings:
        say(str(finding))
    ledger = open_ledger(settings)
    if not to_halt:
        try:
            require_own_ledger(settings, ledger)
        except ConfigError:
            ledger.close()
            raise
    return Desk(
        settings=settings,
        specs=table,
        clock=clock,
        market=DeskMarketData(MarketStore.open(settings.resolve(settings.data.store))),
        runner=runner or model_runner(settings, ledger),
        ledger=ledger,
        baskets=TwsBaskets(),
        open_reader=lambda: broker_reader(settings, clock),
        open_order_desk=lambda approval: _order_desk(settings, clock, ledger, approval),
        open_margin_preview=lambda: margin_preview(settings, clock),
        code_version=__version__,
        say=say,
        tell=_teller(settings, say),
        patience=patience,
    )


def model_runner(settings: Settings, ledger: Ledger, *, resume: bool = True) -> DeskRunner:
    """Return the runner of the models; without ``resume`` they start from inception."""
    return DeskRunner(
        resume=resume,
        engine=settings.engine.engine,
        cluster=settings.engine.cluster,
        acknowledged=lambda model, digest: ledger.acknowledged(model, digest) is not None,
    )


def open_notifier(settings: Settings) -> Notifier:
    """Return the person's channels, each with its address from the environment or the keyring."""
    from afterclose.adapters.notify import AppriseNotifier, kept_address  # noqa: PLC0415 - see above

    chosen = settings.notify
    return AppriseNotifier(
        channels={c: channel_address(c) or kept_address(c) for c in chosen.channels},
        hidden=(settings.desk.account, *settings.desk.allowed_accounts),
        attach=chosen.attach_report,
        page=chosen.page,
        timeout_s=chosen.timeout_s,
    )


def _teller(settings: Settings, say: Callable[[str], None]) -> Callable[[Notice], None]:
    """Tell what the person wants to hear; a channel that fails is said, and stops nothing."""

    def tell(notice: Notice) -> None:
        if settings.notify.wants(notice.told):
            for trouble in open_notifier(settings).tell(notice):
                say(trouble)

    return tell


def explain_code(code: int, text: str) -> str:
    """Say in plain words what a code of the gateway means, and what to do."""
    from afterclose.adapters import ibkr  # noqa: PLC0415 - see the module's docstring

    return ibkr.explain(code, text).plain


def broker_reader(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[BrokerReader]:
    """Open the gateway to look at it."""
    from afterclose.adapters import ibkr  # noqa: PLC0415 - see the module's docstring

    return ibkr.open_reader(**_address(settings), account=settings.desk.account, clock=clock)


def command_patience(settings: Settings) -> Patience:
    """How long a command waits for a gateway that restarts, while somebody sits there."""
    return Patience(longest=timedelta(seconds=settings.broker.wait_s))


def margin_preview(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[MarginPreview]:
    """Connect for what-ifs."""
    from afterclose.adapters import ibkr  # noqa: PLC0415 - see the module's docstring

    address = {**_address(settings), "client_id": settings.broker.client_id + 2}
    return ibkr.open_margin_preview(**address, account=settings.desk.account, clock=clock)


@asynccontextmanager
async def _order_desk(
    settings: Settings, clock: Clock, ledger: SqlLedger, approval: Approval
) -> AsyncIterator[OrderDesk]:
    """Whoever has an order desk has the ledger's lease: two machines never send at once."""
    from afterclose.adapters import ibkr  # noqa: PLC0415 - see the module's docstring
    from afterclose.evening.books import numbers_from  # noqa: PLC0415 - likewise

    address = {**_address(settings), "client_id": settings.broker.client_id + 1}
    with ledger.exclusive():
        numbers = numbers_from(ledger, clock)
        async with ibkr.open_desk(
            **address, approval=approval, clock=clock, numbers_from=numbers
        ) as opened:
            yield opened


def _address(settings: Settings) -> dict[str, Any]:
    broker = settings.broker
    return {
        "host": broker.host,
        "port": broker.port,
        "client_id": broker.client_id,
        "timeout_s": broker.timeout_s,
    }
