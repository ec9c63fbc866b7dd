"""What the evening asks of its models, and what it makes of a past that has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from afterclose.artifacts import RunFolder
from afterclose.domain.contracts import Session, read_symbol
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.history import Acknowledgement, HistoryDrift
from afterclose.domain.runs import ModelRef, ModelRequest, ModelResult
from afterclose.errors import ConfigError
from afterclose.evening.desk import Desk
from afterclose.settings import ModelSettings

HISTORY = "15-history.json"


def model_requests(desk: Desk, session: Session, folder: Path) -> tuple[ModelRequest, ...]:
    """Turn the settings' models into requests for tonight."""
    if not desk.settings.models:
        raise ConfigError(
            "no models are configured", hint="add a [[models]] section to afterclose.toml"
        )
    return tuple(_request(desk, model, session, folder) for model in desk.settings.models)


def _request(desk: Desk, model: ModelSettings, session: Session, folder: Path) -> ModelRequest:
    engine = desk.settings.engine
    return ModelRequest(
        model=ModelRef(
            name=model.name,
            entry_point=_entry_point(desk, model),
            parameters=dict(model.parameters),
        ),
        store=desk.market.path,
        first_session=_inception(model, session),
        last_session=session,
        capital_base=float(model.capital_base),
        output=folder / "zipline" / model.name,
        base_currency=engine.base_currency,
        rolls=engine.rolls,
        currency=engine.currency,
        roots=model.roots,
        time_limit_s=engine.time_limit_s,
        adopt={symbol: _in_model(model, symbol, held) for symbol, held in model.adopt.items()},
        commission=engine.commission.as_rule() if engine.commission else None,
        slippage=engine.slippage.as_rule() if engine.slippage else None,
    )


def _entry_point(desk: Desk, model: ModelSettings) -> str:
    """Return the module, or the file: a relative one lies in the desk's folder."""
    if not model.entry_point.endswith(".py"):
        return model.entry_point
    return str(desk.settings.resolve(Path(model.entry_point)).resolve())


def _inception(model: ModelSettings, session: Session) -> date:
    try:
        inception = date.fromisoformat(model.inception)
    except ValueError:
        raise ConfigError(
            f"models.{model.name}.inception must be a date (yyyy-mm-dd), was {model.inception!r}",
            hint="it is the session on which the model started flat; it never moves",
        ) from None
    if inception > session:
        raise ConfigError(
            f"models.{model.name} starts on {inception}, after tonight's session {session}",
            hint="correct inception, or name a later evening with --session",
        )
    return inception


def _in_model(model: ModelSettings, symbol: str, held: int) -> int:
    """Contracts of the model for contracts of the account."""
    wanted = held / model.scale
    if wanted != int(wanted):
        raise ConfigError(
            f"models.{model.name}.adopt: {held} {symbol} in the account are {wanted:.4g} in the "
            f"model, which counts {model.scale:.6g} contracts of the account for each of its own",
            hint="choose capital_base and allocated so that every adopted position is whole",
        )
    return int(wanted)


def adopt_stated(desk: Desk, session: Session) -> None:
    """Write into the desk's books what the settings say a model took over, each once."""
    for model in desk.settings.models:
        stated = {read_symbol(s, on=session): held for s, held in model.adopt.items()}
        known = desk.ledger.adopted(model.name) if stated else frozenset()
        new = {contract: held for contract, held in stated.items() if contract not in known}
        if new:
            desk.ledger.adopt(
                model.name,
                new,
                at=desk.clock.now(),
                note=f"settings: adopted at inception {model.inception}",
            )
            names = ", ".join(f"{held:+d} {contract.symbol}" for contract, held in new.items())
            desk.say(f"{model.name} takes over {names}")


def say_scales(desk: Desk) -> None:
    """State how each model's contracts become the account's."""
    base = desk.settings.engine.base_currency
    for model in desk.settings.models:
        allocated = model.allocated or model.capital_base
        desk.say(
            f"{model.name}: {model.capital_base:,f} {base} in the model, {allocated:,f} {base} of "
            f"the account: {model.scale:.6g} contracts of the account for each of the model"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """What tonight's runs say of the past: for the top of the report, and per model.

    ``open`` holds the models whose change nobody has acknowledged, each with its finding.
    """

    findings: tuple[Finding, ...]
    open: Mapping[str, Finding]


def histories(desk: Desk, results: Iterable[ModelResult]) -> Histories:
    """Weigh every difference from the last evening's history.

    Until a person acknowledges it, the model opens nothing; what closes goes, and shows it. The
    evening as a whole is not blocked: other models and all exits go their way.
    """
    findings, unsettled = [], {}
    for result in results:
        drift = result.drift
        if drift is None or drift.clean:
            continue
        word = desk.ledger.acknowledged(result.model, drift.digest) if drift.digest else None
        if drift.unreadable:
            finding = _not_compared(drift)
        elif word is None:
            finding = unsettled[result.model] = _changed(drift)
        else:
            finding = _acknowledged(drift, word)
        findings.append(finding)
    return Histories(findings=tuple(findings), open=unsettled)


def _changed(drift: HistoryDrift) -> Finding:
    first = drift.changes[0]
    causes = ", ".join(f"{cause.value} ({n})" for cause, n in sorted(drift.by_cause.items()))
    return Finding(
        code="AC118",
        severity=Severity.WARN,
        subject=drift.model,
        message=(
            f"the past of {drift.model} is not what it was on {drift.since}: {drift.total} "
            f"differences from {first.session} on, the first {first.kind.value} of {first.subject} "
            f"({first.before} → {first.after}); likely: {causes}. "
            f"{'; '.join(drift.reasons[:4])}"
        ).rstrip(" .")
        + ". It opens nothing until this is acknowledged; its exits go",
        hint=f"read history_changes.csv, then: afterclose acknowledge {drift.model} --reason '…', "
        "and prepare the evening again",
        evidence={
            "differences": drift.total,
            "first": first.session.isoformat(),
            "since": drift.since.isoformat(),
            "digest": drift.digest,
        },
    )


def _acknowledged(drift: HistoryDrift, word: Acknowledgement) -> Finding:
    return Finding(
        code="AC119",
        severity=Severity.INFO,
        subject=drift.model,
        message=(
            f"{drift.total} differences in the past of {drift.model} since {drift.since} were "
            f"acknowledged by {word.by} on {word.at:%Y-%m-%d %H:%M} UTC: {word.reason}"
        ),
        evidence={"differences": drift.total, "digest": drift.digest},
    )


def _not_compared(drift: HistoryDrift) -> Finding:
    return Finding(
        code="AC117",
        severity=Severity.WARN,
        subject=drift.model,
        message=f"the past of {drift.model} could not be compared: {drift.unreadable}",
        hint="whether it changed is not known; the run folder of that evening does not read back",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFile:
    """What a run folder keeps of the comparisons."""

    drifts: tuple[HistoryDrift, ...]


def write_histories(folder: RunFolder, results: Iterable[ModelResult]) -> Path:
    """Keep what every model's comparison gave; nothing where there was nothing to compare with."""
    drifts = tuple(result.drift for result in results if result.drift is not None)
    return folder.write_json(HISTORY, HistoryFile(drifts=drifts))


def read_histories(folder: RunFolder) -> tuple[HistoryDrift, ...]:
    """Read them back. Raises DataError when the evening was not prepared that far."""
    return folder.read_json(HISTORY, HistoryFile).drifts


def unacknowledged(desk: Desk, drifts: Iterable[HistoryDrift]) -> Sequence[HistoryDrift]:
    """Return the differences that wait for a person's word."""
    return [
        drift
        for drift in drifts
        if drift.total and desk.ledger.acknowledged(drift.model, drift.digest) is None
    ]


def acknowledge(desk: Desk, drift: HistoryDrift, *, by: str, reason: str) -> Acknowledgement:
    """Record that a person has seen what changed. Raises ConfigError without a reason."""
    if not reason.strip():
        raise ConfigError("an acknowledgement needs a reason", hint="say it with --reason '…'")
    word = Acknowledgement(
        model=drift.model,
        digest=drift.digest,
        at=desk.clock.now(),
        by=by,
        reason=reason.strip(),
    )
    desk.ledger.acknowledge(word)
    return word
