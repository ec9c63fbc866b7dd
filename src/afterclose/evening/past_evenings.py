"""Past evenings, one line each: what went, what filled, and how account and models drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from afterclose.artifacts import RunFolder
from afterclose.domain.findings import Severity
from afterclose.domain.orders import OrderState
from afterclose.domain.runs import RunManifest
from afterclose.errors import DataError
from afterclose.evening import run_files
from afterclose.evening.books import session_lives
from afterclose.evening.journal import MANIFEST
from afterclose.ports import Ledger

#: How many evenings are listed: a quarter of a year.
SHOWN = 66
_RESULT = "70-reconcile.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvening:
    """One evening of the list. Values are in ``base``; None is unknown, or not there yet.

    ``models`` is the sum of the models' values as the account follows them; ``drift`` is the
    account's change since the session before, less theirs.
    """

    run_id: str
    session: date
    state: str
    reviewer: str
    orders: int | None
    sent: int
    filled: int
    models: Decimal | None
    account: Decimal | None
    base: str
    drift: Decimal | None = None
    breaks: int | None = None


@dataclass(frozen=True, slots=True)
class _Model:
    net_asset_value: Decimal | None
    capital_base: Decimal
    capital_allocated: Decimal | None
    base_currency: str


@dataclass(frozen=True, slots=True)
class _Account:
    base: str
    net_liquidation: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Shown:
    """The little of an evening that the list needs; the rest of the file is passed over."""

    models: tuple[_Model, ...]
    account: _Account


@dataclass(frozen=True, slots=True)
class _Finding:
    severity: Severity


@dataclass(frozen=True, slots=True)
class _Result:
    findings: tuple[_Finding, ...]


def past_evenings(folders: Sequence[RunFolder], ledger: Ledger) -> tuple[PastEvening, ...]:
    """List evenings, the newest first."""
    rows = [_evening(folder, ledger) for folder in folders[:SHOWN]]
    return tuple(_drifted(row, rows[n + 1 :]) for n, row in enumerate(rows))


def _evening(folder: RunFolder, ledger: Ledger) -> PastEvening:
    manifest = folder.read_json(MANIFEST, RunManifest)
    shown = _shown(folder)
    approval = ledger.approval(manifest.run_id)
    session = manifest.session
    approved = set(approval.order_refs) if approval else set()
    known = session_lives(ledger, session)
    ours = [o for ref, o in known.items() if ref in approved]
    orders = manifest.notes.get("orders")
    return PastEvening(
        run_id=manifest.run_id,
        session=session,
        state=manifest.state.value.replace("_", " "),
        reviewer=approval.reviewer if approval else "",
        orders=orders if isinstance(orders, int) else None,
        sent=sum(1 for o in ours if o.state is not OrderState.INTENDED),
        filled=sum(1 for o in ours if o.state is OrderState.FILLED),
        models=_models_value(shown),
        account=shown.account.net_liquidation if shown else None,
        base=shown.account.base if shown else "",
        breaks=_breaks(folder),
    )


def _shown(folder: RunFolder) -> _Shown | None:
    try:
        return folder.read_json(run_files.VIEW, _Shown)
    except DataError:  # not prepared that far, or written by another version
        return None


def _models_value(shown: _Shown | None) -> Decimal | None:
    """Sum the models' values, each scaled by the capital the desk gives it."""
    if shown is None or not shown.models:
        return None
    total = Decimal(0)
    for model in shown.models:
        if model.net_asset_value is None or model.base_currency != shown.account.base:
            return None
        allocated = model.capital_allocated or model.capital_base
        total += model.net_asset_value * allocated / model.capital_base
    return total


def _breaks(folder: RunFolder) -> int | None:
    if not folder.has(_RESULT):
        return None
    findings = folder.read_json(_RESULT, _Result).findings
    return sum(1 for f in findings if f.severity > Severity.INFO)


def _drifted(row: PastEvening, older: Sequence[PastEvening]) -> PastEvening:
    before = next((o for o in older if o.session < row.session), None)
    if before is None or before.base != row.base:
        return row
    values = (row.account, before.account, row.models, before.models)
    if any(value is None for value in values):
        return row
    account, account_before, models, models_before = (v or Decimal(0) for v in values)
    return replace(row, drift=(account - account_before) - (models - models_before))
