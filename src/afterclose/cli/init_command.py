"""``afterclose init``: a few questions, or flags, make a desk's folder."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TypeVar

import typer

from afterclose import clock as calendar
from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.bootstrap import broker_reader
from afterclose.cli.terminal import console
from afterclose.clock import SystemClock
from afterclose.desk_folder import (
    EXAMPLES,
    DeskPlan,
    adoption,
    make_desk,
    require_affordable,
    require_no_desk,
)
from afterclose.domain.account import AccountSnapshot, Position
from afterclose.domain.contracts import FuturesContract, Session
from afterclose.errors import AfterCloseError, UsageError
from afterclose.settings import (
    LIVE_ACCOUNT,
    LIVE_PORTS,
    PAPER_ACCOUNT,
    PAPER_PORTS,
    SETTINGS_FILE,
    BrokerSettings,
    DataSource,
    DeskSettings,
    Settings,
)

T = TypeVar("T")

#: The account of the paper gateway that comes with the product.
REHEARSAL_ACCOUNT = "DU1234567"
_USUAL_CAPITAL = Decimal(1_000_000)
_LOOK_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line said; empty where it said nothing."""

    home: Path
    account: str
    data: str
    data_folder: Path | None
    bundle: str
    roots: tuple[str, ...]
    capital: tuple[str, ...]
    adopt: tuple[str, ...]
    adopt_for: str
    name: str
    host: str
    port: int
    session: date | None
    flat: bool
    ask: bool


def make(flags: Flags) -> None:
    """Make the folder and say what comes next. Raises UsageError; nothing is made then."""
    if (flags.home / SETTINGS_FILE).exists():
        raise UsageError(
            f"{flags.home} is a desk already; nothing was changed", hint="choose another folder"
        )
    require_no_desk(flags.home)
    clock = SystemClock()
    session = flags.session or calendar.session_at(clock.now())
    calendar.require_session(session)
    try:
        plan, seen = _answers(flags, session)
    except typer.Abort:
        raise UsageError("stopped by you; nothing was made", hint="begin again") from None
    written = make_desk(plan, at=clock.now())
    _say(plan, written, seen)


def _answers(flags: Flags, session: Session) -> tuple[DeskPlan, AccountSnapshot | None]:
    """Take each answer from the flags, else from the person, else the usual one."""
    source = _source(flags)
    account = _account(flags, source)
    folder, bundle = _data_folder(flags, source), _bundle(flags, source)
    seen = _look(flags, account)
    capital = _capital(flags, seen)
    plan = DeskPlan(
        home=flags.home,
        name=flags.name,
        account=account,
        host=flags.host,
        port=flags.port,
        source=source,
        folder=folder,
        bundle=bundle,
        roots=flags.roots,
        session=session,
        capital=capital,
        base=seen.base if seen else "USD",
        adopted=_adopted(flags, tuple(capital), seen, session),
    )
    return plan, seen


def _source(flags: Flags) -> DataSource:
    known = ", ".join(s.value for s in DataSource)

    def read(text: str) -> DataSource:
        try:
            return DataSource(text.strip().lower())
        except ValueError:
            raise UsageError(
                f"{text!r} is no source of bars", hint=f"sources are {known}"
            ) from None

    if flags.data:
        return read(flags.data)
    usual = DataSource.GENERATED.value
    return _asked(flags, f"Where do bars come from ({known})", usual, read)


def _account(flags: Flags, source: DataSource) -> str:
    if flags.port in LIVE_PORTS:
        raise UsageError(
            f"port {flags.port} is where a live gateway listens",
            hint=f"paper: {', '.join(str(p) for p in sorted(PAPER_PORTS))}",
        )
    if flags.account:
        return _paper_account(flags.account)
    usual = REHEARSAL_ACCOUNT if source is DataSource.GENERATED else ""
    return _asked(flags, "Number of the IB account (paper: DU…)", usual, _paper_account)


def _paper_account(text: str) -> str:
    if not text:
        raise UsageError("no account was named", hint="--account DU1234567")
    text = text.strip().upper()
    if not PAPER_ACCOUNT.fullmatch(text) and not LIVE_ACCOUNT.fullmatch(text):
        raise UsageError(f"{text!r} is no IB account number", hint="paper accounts start with DU")
    if LIVE_ACCOUNT.fullmatch(text):
        raise UsageError(
            f"{text} is an account with real money, and a new desk starts on paper",
            hint="rehearse on the paper account; docs/first-evening.md says how a desk goes live",
        )
    return text


def _data_folder(flags: Flags, source: DataSource) -> Path | None:
    if source not in {DataSource.FOLDER, DataSource.HISTORY}:
        return flags.data_folder

    def read(text: str) -> Path:
        named = Path(text)
        if not text or not named.is_dir():
            raise UsageError(
                f"the source {source.value} reads a folder, and {text!r} is none",
                hint="--data-folder FOLDER",
            )
        return named.resolve()

    if flags.data_folder is not None:
        return read(str(flags.data_folder))
    return _asked(flags, "Folder of the bars", "", read)


def _bundle(flags: Flags, source: DataSource) -> str:
    if source is not DataSource.BUNDLE:
        return ""

    def read(text: str) -> str:
        if not text.strip():
            raise UsageError("the source bundle needs its name", hint="--bundle NAME")
        return text.strip()

    return read(flags.bundle) if flags.bundle else _asked(flags, "Zipline bundle", "", read)


def _look(flags: Flags, account: str) -> AccountSnapshot | None:
    """Ask the gateway for the account, if one answers; a desk can be made without it."""
    clock, screen = SystemClock(), console()
    settings = Settings(
        desk=DeskSettings(account=account),
        broker=BrokerSettings(host=flags.host, port=flags.port, timeout_s=_LOOK_WITHIN_S),
    )

    async def ask() -> AccountSnapshot:
        async with broker_reader(settings, clock) as reader:
            return await reader.account(account)

    try:
        return asyncio.run(ask())
    except AfterCloseError as error:
        screen.print(f"The gateway was not asked about the account: {error}", soft_wrap=True)
        return None


def _capital(flags: Flags, seen: AccountSnapshot | None) -> Mapping[str, Decimal]:
    """Capital by model. What is together more than the account has is asked once more."""
    value = seen.net_liquidation if seen else None
    if flags.capital:
        given = dict(_share(text) for text in flags.capital)
        require_affordable(given, value)
        return given
    if value is not None:
        console().print(f"The account's value is {value:,.0f}.")
    usual = _USUAL_CAPITAL if value is None else min(_USUAL_CAPITAL, value // len(EXAMPLES))
    while True:
        answers = {
            name: _asked(
                flags,
                f"Capital of {name} ({file}); 0 leaves it out",
                f"{usual:f}",
                partial(_amount, name),
            )
            for name, file in EXAMPLES.items()
        }
        given = {name: amount for name, amount in answers.items() if amount}
        try:
            _require_some(given)
            require_affordable(given, value)
        except UsageError as error:
            if not _somebody(flags):
                raise
            _again(error)
        else:
            return given


def _require_some(capital: Collection[str]) -> None:
    if not capital:
        raise UsageError("no model has capital", hint="--capital TF=500000")


def _amount(name: str, text: str) -> Decimal:
    return _share(f"{name}={text}")[1]


def _share(text: str) -> tuple[str, Decimal]:
    name, equals, number = text.partition("=")
    try:
        amount = Decimal(number.replace(",", "").replace("_", "").strip())
    except InvalidOperation:
        amount = Decimal(-1)
    if not equals or not amount.is_finite() or amount < 0:
        raise UsageError(f"{text!r} is no capital of a model", hint="write it as TF=500000")
    return name.strip(), amount


def _adopted(
    flags: Flags, models: tuple[str, ...], seen: AccountSnapshot | None, session: Session
) -> Mapping[str, Mapping[FuturesContract, int]]:
    """What the models take over; nothing for a start from flat."""
    _require_some(models)
    if flags.flat and (flags.adopt or flags.adopt_for):
        raise UsageError("--flat and --adopt contradict each other", hint="choose one")
    if flags.flat:
        return {}
    if flags.adopt:
        return adoption(flags.adopt, models, on=session)
    held = _held(seen)
    if flags.adopt_for:
        if seen is None or seen.positions is None:
            raise UsageError(
                "the account's positions are not known, so nothing can be taken over",
                hint="start the gateway, or name them: --adopt TF:ESZ26=2",
            )
        return {flags.adopt_for: held} if held else {}
    if seen is not None and seen.positions is not None and not held:
        return {}
    return _flat_or_adopted(flags, models, held, session)


def _flat_or_adopted(
    flags: Flags, models: tuple[str, ...], held: Mapping[FuturesContract, int], session: Session
) -> Mapping[str, Mapping[FuturesContract, int]]:
    """Ask it in any case: what the account holds may not be known."""
    names = ", ".join(models)
    if held:
        told = ", ".join(f"{contract} {quantity:+d}" for contract, quantity in held.items())
        console().print(f"The account holds {told}.")
        question = f"Start flat tonight (flat), or which model takes them over ({names})"
    else:
        question = f"Start flat tonight (flat), or what is taken over ({models[0]}:ESZ26=2, …)"

    def read(text: str) -> Mapping[str, Mapping[FuturesContract, int]]:
        answer = text.strip()
        if answer.lower() == "flat":
            return {}
        if held and answer.upper() in models:
            return {answer.upper(): held}
        if "=" not in answer:
            raise UsageError(
                f"{answer!r} is no answer", hint=f"flat, {names if held else 'or TF:ESZ26=2'}"
            )
        found = adoption([part.strip() for part in answer.split(",")], models, on=session)
        unknown = sorted({*found} - {*models})
        if unknown:
            raise UsageError(f"there is no model {', '.join(unknown)}", hint=f"models are {names}")
        return found

    return _asked(flags, question, "flat", read)


def _held(seen: AccountSnapshot | None) -> dict[FuturesContract, int]:
    """Name the account's futures as the desk does. Raises UsageError for one it has no name for."""
    found: dict[FuturesContract, int] = {}
    for position in (seen.positions or ()) if seen else ():
        contract = _contract(position)
        found[contract] = found.get(contract, 0) + position.quantity
    return {contract: quantity for contract, quantity in sorted(found.items()) if quantity}


def _contract(position: Position) -> FuturesContract:
    specs = packaged_specs().values()
    exact = [
        s
        for s in specs
        if (s.ib_symbol, s.trading_class) == (position.symbol, position.trading_class)
    ]
    loose = [s for s in specs if s.ib_symbol == position.symbol and not s.trading_class]
    spec = next(iter(exact or loose), None)
    if spec is None or position.contract_month is None:
        raise UsageError(
            f"the account holds {position.quantity:+d} {position.symbol} "
            f"({position.trading_class}), which the contract table does not name",
            hint="start with --flat, or name what is taken over with --adopt",
        )
    return FuturesContract(spec.root, position.contract_month)


def _somebody(flags: Flags) -> bool:
    """Whether there is somebody to be asked."""
    return flags.ask and sys.stdin.isatty()


def _asked(flags: Flags, question: str, usual: str, read: Callable[[str], T]) -> T:
    """Ask until the answer can be read; where nobody is there, the usual answer is taken.

    Raises UsageError for a usual answer that cannot be read, typer.Abort on Ctrl-C.
    """
    if not _somebody(flags):
        return read(usual)
    while True:
        try:
            return read(str(typer.prompt(question, default=usual, show_default=bool(usual))))
        except UsageError as error:
            _again(error)


def _again(error: UsageError) -> None:
    console().print(f"{error}; {error.hint}", soft_wrap=True, markup=False)


def _say(plan: DeskPlan, written: tuple[Path, ...], seen: AccountSnapshot | None) -> None:
    screen = console()
    for path in written:
        screen.print(f"  {path}", soft_wrap=True)
    for name, amount in plan.capital.items():
        adopted = plan.adopted.get(name, {})
        held = ", ".join(f"{c} {q:+d}" for c, q in adopted.items()) or "flat"
        screen.print(
            f"{name}: {amount:,.0f} {plan.base}, from the evening of {plan.session}, {held}"
        )
    if seen is None or seen.net_liquidation is None:
        screen.print(
            "Whether the account has that much was not checked; 'afterclose doctor' does it."
        )
    place = "" if plan.home == Path() else f"cd {plan.home}, then "
    serve = "'afterclose sim serve --desk .' in another terminal, "
    rehearsal = serve if plan.source is DataSource.GENERATED else ""
    screen.print(
        f"Next: {place}{rehearsal}'afterclose update', 'afterclose doctor', 'afterclose run'",
        soft_wrap=True,
    )
