"""A desk's folder: made whole by ``afterclose init``, never over what is there.

Settings with comments, the mapping workbook, both example models as the trader's own files, and the
ledger, with the positions that were taken over.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path

from afterclose.adapters.files.contract_table import packaged_specs
from afterclose.adapters.files.workbook import write_workbook
from afterclose.adapters.ledger.place import this_place
from afterclose.adapters.ledger.store import SqlLedger
from afterclose.artifacts import write_atomically
from afterclose.domain.contracts import FuturesContract, Session, read_symbol
from afterclose.errors import UsageError
from afterclose.settings import LIVE_ACCOUNT, SETTINGS_FILE, DataSource, ModelSettings, load
from afterclose.settings.commented import Value, filled

MAPPING = "ZiplineIB_Mapping.xlsx"
LEDGER = "ledger.sqlite"
#: The example models, by the name they get on the desk.
EXAMPLES: Mapping[str, str] = {"TF": "trend_following.py", "MR": "mean_reversion.py"}
#: What must not get into version control: secrets, positions, bars.
_IGNORED = "afterclose.local.toml\nledger.sqlite*\n.afterclose*.lock\nmarket/\ngateway/\nruns/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPlan:
    """What a new desk is to be. ``capital`` is by model; ``adopted`` are positions by model.

    ``session`` is the evening on which the models start.
    """

    home: Path
    name: str
    account: str
    host: str
    port: int
    source: DataSource
    session: Session
    capital: Mapping[str, Decimal]
    folder: Path | None = None
    bundle: str = ""
    roots: tuple[str, ...] = ()
    base: str = "USD"
    adopted: Mapping[str, Mapping[FuturesContract, int]] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether the account is one with real money."""
        return bool(LIVE_ACCOUNT.fullmatch(self.account))


def require_affordable(capital: Mapping[str, Decimal], account_value: Decimal | None) -> None:
    """Refuse capital that the account does not have; what is unknown cannot be refused.

    Raises UsageError.
    """
    total = sum(capital.values(), Decimal(0))
    if account_value is not None and total > account_value:
        told = ", ".join(f"{name} {amount:,.0f}" for name, amount in capital.items())
        raise UsageError(
            f"the models would get {total:,.0f} together ({told}), the account has "
            f"{account_value:,.0f}",
            hint="give them less: --capital TF=… --capital MR=…",
        )


def make_desk(plan: DeskPlan, *, at: datetime) -> tuple[Path, ...]:
    """Make the folder; return what was written. Raises UsageError where a desk already is.

    Everything is written beside its place and checked there first. The settings are moved in last:
    with them the folder is a desk. What stops it on the way, a person too, leaves nothing behind.
    """
    _require_plan(plan)
    there = plan.home.is_dir()
    try:
        with _taken_back(plan.home, there=there) as placed:
            plan.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".init-", dir=plan.home) as made:
                draft = Path(made)
                _write(plan, draft)
                load(draft)  # what contradicts itself is refused before anything is in its place
                placed.extend(_move(draft, plan.home))
                placed.append(plan.home / LEDGER)
                _write_ledger(plan, at=at)
                shutil.move(draft / SETTINGS_FILE, plan.home / SETTINGS_FILE)
    except OSError as error:
        raise UsageError(
            f"{plan.home} cannot be made a desk: {error.strerror} ({error.filename})",
            hint="choose another folder, or give yourself the right to write there",
        ) from error
    return (plan.home / SETTINGS_FILE, *placed)


@contextmanager
def _taken_back(home: Path, *, there: bool) -> Iterator[list[Path]]:
    """Collect what is put into its place, and take it out again when something stops us."""
    placed: list[Path] = []
    try:
        yield placed
    except BaseException:
        for path in placed:
            for file in (path, *path.parent.glob(f"{path.name}-*")):  # SQLite's companions
                file.unlink(missing_ok=True)
        for folder in (home / "models", *(() if there else (home,))):
            with suppress(OSError):  # not empty: it is the trader's
                folder.rmdir()
        raise


def require_no_desk(home: Path) -> None:
    """Refuse a folder that holds a desk, or a part of one. Raises UsageError."""
    if home.exists() and not home.is_dir():
        raise UsageError(f"{home} is a file, not a folder", hint="choose another folder")
    for name in (SETTINGS_FILE, MAPPING, LEDGER):
        _require_free(home / name)


def _require_free(path: Path) -> None:
    if path.exists():
        raise UsageError(
            f"{path} is there already; nothing was changed",
            hint="choose another folder, or move it away",
        )


def _require_plan(plan: DeskPlan) -> None:
    require_no_desk(plan.home)
    for file in _models(plan):
        _require_free(plan.home / "models" / file)
    unknown = sorted({*plan.adopted} - {*plan.capital})
    if unknown:
        raise UsageError(
            f"positions are to be adopted for {', '.join(unknown)}, which gets no capital",
            hint=f"models of this desk: {', '.join(plan.capital)}",
        )


def _models(plan: DeskPlan) -> dict[str, str]:
    unknown = sorted({*plan.capital} - {*EXAMPLES})
    if unknown:
        raise UsageError(
            f"there is no example model {', '.join(unknown)}",
            hint=f"examples are {', '.join(EXAMPLES)}; add your own to {SETTINGS_FILE} afterwards",
        )
    return {EXAMPLES[name]: name for name in plan.capital}


def _write(plan: DeskPlan, draft: Path) -> None:
    (draft / "models").mkdir()
    for file in _models(plan):
        source = resources.files("afterclose").joinpath("models", file).read_text(encoding="utf-8")
        write_atomically(draft / "models" / file, source.encode())
    write_workbook(draft / MAPPING, packaged_specs())
    write_atomically(draft / ".gitignore", _IGNORED.encode())
    write_atomically(draft / SETTINGS_FILE, settings_text(plan).encode())


def settings_text(plan: DeskPlan) -> str:
    """Write the settings of a plan, with every other setting as a commented default."""
    values: dict[str, dict[str, Value]] = {
        "": {"mapping": Path(MAPPING), "ledger": f"sqlite:///{LEDGER}"},
        "desk": {
            "name": plan.name,
            "account": plan.account,
            "mode": "live" if plan.live else "paper",
        },
        "broker": {"host": plan.host, "port": plan.port},
        "data": {"store": Path("market"), "source": plan.source, "roots": plan.roots},
        "engine": {"base_currency": plan.base},
    }
    if plan.source is DataSource.GENERATED:  # its gateway is ours, and restarts when you want
        values["broker"]["restart"] = "never"
    if plan.folder is not None:
        values["data"]["folder"] = plan.folder
    if plan.bundle:
        values["data"]["bundle"] = plan.bundle
    return filled(values, [_model(plan, name) for name in plan.capital])


def _model(plan: DeskPlan, name: str) -> dict[str, Value]:
    entry: dict[str, Value] = {
        "name": name,
        "entry_point": f"models/{EXAMPLES[name]}",
        "inception": plan.session,
        "capital_base": plan.capital[name],
    }
    adopted = plan.adopted.get(name, {})
    if adopted and "adopt" in ModelSettings.model_fields:
        entry["adopt"] = {contract.symbol: quantity for contract, quantity in adopted.items()}
    return entry


def _write_ledger(plan: DeskPlan, *, at: datetime) -> None:
    """Make the ledger where it stays: it remembers its place."""
    file = plan.home / LEDGER
    ledger = SqlLedger(
        f"sqlite:///{file.resolve().as_posix()}", desk=plan.name, here=this_place(plan.home)
    )
    try:
        for model, positions in plan.adopted.items():
            ledger.adopt(model, positions, at=at, note=f"taken over at inception, {plan.session}")
    finally:
        ledger.close()


def _move(draft: Path, home: Path) -> Iterator[Path]:
    for file in sorted(p for p in draft.rglob("*") if p.is_file() and p.name != SETTINGS_FILE):
        target = home / file.relative_to(draft)
        if target.exists() and target.name == ".gitignore":
            continue  # the trader's own
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
        yield target


def adoption(
    texts: Sequence[str], models: Sequence[str], *, on: Session
) -> dict[str, dict[FuturesContract, int]]:
    """Read ``ESZ26=2`` or ``TF:ESZ26=2``. Raises UsageError for what cannot be read."""
    found: dict[str, dict[FuturesContract, int]] = {}
    for text in texts:
        model, _, rest = text.rpartition(":")
        symbol, equals, number = rest.partition("=")
        if not equals or not number.strip().lstrip("+-").isdecimal():
            raise UsageError(f"{text!r} names no position", hint="write it as TF:ESZ26=2")
        if not model and len(models) != 1:
            raise UsageError(
                f"{text!r} does not say for which model", hint=f"write {models[0]}:{rest}"
            )
        contract = read_symbol(symbol.strip(), on=on)
        found.setdefault(model or models[0], {})[contract] = int(number)
    return found
