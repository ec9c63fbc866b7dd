"""The desk's own records: does the ledger open, may anything leave, does the mapping read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from afterclose.adapters.ledger.store import SqlLedger
from afterclose.bootstrap import open_ledger, require_own_ledger, specs
from afterclose.doctor.diagnosis import Diagnosis, fails, good, note
from afterclose.domain.contracts import ContractSpec, RootSymbol, Session
from afterclose.domain.findings import Severity
from afterclose.errors import AfterCloseError, ConfigError
from afterclose.settings import Settings

PART = "books"


def check(settings: Settings) -> Iterator[Diagnosis]:
    """Open the ledger as every command does."""
    try:
        ledger = open_ledger(settings)
    except AfterCloseError as error:
        yield fails(PART, "ledger", str(error), error.hint)
        return
    try:
        halted = ledger.halted()
        yield _custody(ledger)
        yield from _owner(settings, ledger)
    finally:
        ledger.close()
    if halted is not None:
        yield fails(
            PART,
            "halt",
            f"halted {halted.at:%Y-%m-%d %H:%M} UTC by {halted.by}: {halted.reason}",
            "nothing leaves until 'afterclose halt --lift'",
        )


def _custody(ledger: SqlLedger) -> Diagnosis:
    """Say whether this machine may write: never into a copy, and one machine at a time."""
    original, other = ledger.copied_from(), ledger.written_by()
    if original is not None:
        return fails(
            PART,
            "ledger",
            f"it is a copy, its own place is {original}: nothing can be sent from here",
            "go on there; if that one is never used again: 'afterclose ledger adopt'",
        )
    if other is not None:
        return note(
            PART, "ledger", f"{other} is writing it", "wait: it is free a minute after that ended"
        )
    return good(PART, "ledger", "opens, and may be written from here")


def _owner(settings: Settings, ledger: SqlLedger) -> Iterator[Diagnosis]:
    """Say whose ledger it is: another account's, or one that another place writes, too."""
    try:
        if settings.desk.account:
            require_own_ledger(settings, ledger)
    except ConfigError as error:
        yield fails(PART, "ledger's desk", str(error), error.hint)
        return
    if len(ledger.accounts()) > 1:
        yield note(
            PART,
            "ledger's desk",
            f"{len(ledger.accounts())} accounts have records in it, and what the models hold is "
            "counted over all of them",
            "'afterclose settle' lays desk and account side by side",
        )
    last = ledger.last_writer()
    if last is not None:
        yield note(
            PART,
            "ledger's desk",
            f"it was last written from {last}",
            "right for a second machine of this desk; another desk needs a name of its own",
        )


def mapping(
    settings: Settings, session: Session
) -> tuple[Mapping[RootSymbol, ContractSpec], tuple[Diagnosis, ...]]:
    """Read the mapping workbook over the packaged table."""
    try:
        table, findings = specs(
            settings.resolve(settings.mapping) if settings.mapping else None, session=session
        )
    except AfterCloseError as error:
        return {}, (fails(PART, "mapping", str(error), error.hint),)
    worst = [f for f in findings if f.severity is Severity.BLOCK]
    lines = [note(PART, "mapping", f.message, f.hint) for f in worst]
    changed = len(findings) - len(worst)
    said = f"{len(table)} roots, {changed} remarks on your rows" if findings else None
    return table, (good(PART, "mapping", said or f"{len(table)} roots"), *lines)
