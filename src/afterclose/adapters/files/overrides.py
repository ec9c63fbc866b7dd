"""Apply the rows of a mapping workbook to the packaged facts, and say what that changes.

What a trader types wins, except where it can only be a mix-up of units: a tick ten times larger
or smaller than the packaged one, or a point value where IB's multiplier belongs. Such a root is
blocked until the workbook is clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from afterclose.adapters.files.workbook_rows import OverrideRow
from afterclose.domain.contracts import (
    MONTH_CODES,
    ContractSpec,
    Currency,
    RootSymbol,
    Settlement,
)
from afterclose.domain.findings import Finding, Severity

#: Exchanges change a tick by a factor of two to five; ten or more is another unit.
_UNIT_MIX_UP = 10
_CENTS = ("cent", "pence", "penny")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """The facts after the workbook, and a finding for everything that it changed."""

    specs: Mapping[RootSymbol, ContractSpec]
    findings: tuple[Finding, ...]


def overridden(
    specs: Mapping[RootSymbol, ContractSpec],
    rows: Iterable[OverrideRow],
    *,
    unclear: Mapping[RootSymbol, str],
    source: str,
) -> Overridden:
    """Apply ``rows`` to ``specs``; roots in ``unclear`` are blocked with the reason given there."""
    result = dict(specs)
    findings: list[Finding] = []
    for row in rows:
        spec = specs.get(row.root)
        subject = f"{source}, row {row.row}"
        if spec is None:
            new, found = _only_in_workbook(row, subject=subject)
        else:
            new, found = _changed(spec, row, subject=subject)
        if new is not None:
            result[row.root] = new
        findings.extend(found)
    for root, reason in unclear.items():
        if root in result:
            result[root] = replace(result[root], blocked=reason)
    return Overridden(specs=MappingProxyType(result), findings=tuple(findings))


def _changed(
    spec: ContractSpec, row: OverrideRow, *, subject: str
) -> tuple[ContractSpec, tuple[Finding, ...]]:
    mixed = _unit_mix_up(spec, row, subject=subject)
    if mixed is not None:
        return replace(spec, blocked=f"{subject}: {mixed.message}"), (mixed,)
    new = _with_row(spec, row)
    findings = [_difference(spec, name, then, now, subject) for name, then, now in _diff(spec, new)]
    if row.quotation and _in_cents(row.quotation) != _in_cents(spec.quotation):
        findings.append(_difference(spec, "quotation", spec.quotation, row.quotation, subject))
    if spec.blocked:
        settled = _settles(spec, row)
        new = replace(new, blocked="" if settled else _still_blocked(spec, subject))
        if settled:
            findings.append(_unblocked(spec, subject))
    return new, tuple(findings)


def _with_row(spec: ContractSpec, row: OverrideRow) -> ContractSpec:
    multiplier = _same_number(row.multiplier, spec.multiplier)
    magnifier = row.price_magnifier or spec.price_magnifier
    symbol = row.ib_symbol or spec.ib_symbol
    other_product = symbol != spec.ib_symbol or bool(
        spec.multiplier and multiplier != spec.multiplier
    )
    trading_class = row.trading_class or ("" if other_product else spec.trading_class)
    return replace(
        spec,
        ib_symbol=symbol,
        ib_exchange=row.ib_exchange or spec.ib_exchange,
        currency=row.currency or spec.currency,
        tick_size=row.tick_size or spec.tick_size,
        multiplier=multiplier,
        price_magnifier=magnifier,
        point_value=Decimal(multiplier) / magnifier if multiplier else None,
        vendor_to_ib_scale=row.vendor_to_ib_scale or spec.vendor_to_ib_scale,
        quotation=row.quotation or spec.quotation,
        trading_class=trading_class,
        # A class the trader typed is meant to be sent; one that named another product is not.
        send_trading_class=bool(trading_class)
        and (spec.send_trading_class or trading_class != spec.trading_class),
        # Without its class, only the multiplier still tells the products of a symbol apart.
        ambiguous=spec.ambiguous or other_product,
    )


def _same_number(typed: str | None, packaged: str) -> str:
    """Keep the packaged spelling of an equal number."""
    if typed is None or (packaged and Decimal(typed) == Decimal(packaged)):
        return packaged
    return typed


def _diff(old: ContractSpec, new: ContractSpec) -> Iterable[tuple[str, object, object]]:
    for name in (
        "ib_symbol", "ib_exchange", "currency", "tick_size", "multiplier", "price_magnifier",
        "vendor_to_ib_scale", "trading_class",
    ):  # fmt: skip
        then, now = getattr(old, name), getattr(new, name)
        if then != now:
            yield name, then, now


def _settles(spec: ContractSpec, row: OverrideRow) -> bool:
    """Whether the row gives what the block is about: the multiplier, or else the vendor's unit."""
    if not spec.multiplier:
        return row.multiplier is not None
    return row.vendor_to_ib_scale is not None


def _still_blocked(spec: ContractSpec, subject: str) -> str:
    column = "Price Scale" if spec.multiplier else "Contract Size IB"
    return f"{spec.blocked} ({subject} leaves {column} empty)"


def _unit_mix_up(spec: ContractSpec, row: OverrideRow, *, subject: str) -> Finding | None:
    """A value in another unit, unless the row says that the unit itself is another."""
    tick = row.tick_size
    if (
        tick is not None
        and row.vendor_to_ib_scale in {None, spec.vendor_to_ib_scale}
        and max(tick, spec.tick_size) / min(tick, spec.tick_size) >= _UNIT_MIX_UP
    ):
        return _mixed(
            f"Tick Size of {row.root} is {tick:f}, the packaged tick {spec.tick_size:f}",
            f"the tick belongs in the unit of IB's price ({spec.quotation}): write "
            f"{spec.tick_size:f}, or change Price Scale too if the unit really is another",
            subject,
        )
    if (
        row.multiplier is not None
        and row.price_magnifier in {None, spec.price_magnifier}
        and spec.price_magnifier > 1
        and Decimal(row.multiplier) == spec.point_value
    ):
        return _mixed(
            f"Contract Size IB of {row.root} is {row.multiplier}, which is its point value",
            f"IB's multiplier is {spec.multiplier}, with prices magnified by "
            f"{spec.price_magnifier}",
            subject,
        )
    return None


def _in_cents(quotation: str) -> bool:
    return any(word in quotation.casefold() for word in _CENTS)


def _only_in_workbook(
    row: OverrideRow, *, subject: str
) -> tuple[ContractSpec | None, tuple[Finding, ...]]:
    missing = [
        column
        for column, value in (
            ("Symbol IB", row.ib_symbol),
            ("Exchange IB", row.ib_exchange),
            ("Currency IB", row.currency),
            ("Tick Size", row.tick_size),
            ("Contract Size IB", row.multiplier),
            ("Price Scale", row.vendor_to_ib_scale),
        )
        if value is None
    ]
    finding = Finding(
        code="AC225",
        severity=Severity.BLOCK if missing else Severity.WARN,
        subject=subject,
        message=f"{row.root} is not in the packaged table"
        + (f", and the row lacks {', '.join(missing)}" if missing else "; the row alone is used"),
        hint="fill the cells; Price Scale is IB price / vendor price, 1 or 0.01"
        if missing
        else "compare the contract in TWS once",
    )
    return (None if missing else _new_spec(row)), (finding,)


def _new_spec(row: OverrideRow) -> ContractSpec:
    """Make the facts of a root that the packaged table does not have, on the careful side."""
    multiplier = row.multiplier or "1"
    blank = ContractSpec(
        root=row.root,
        name=row.root,
        sector="",
        ib_symbol=row.ib_symbol or row.root,
        ib_exchange="",
        trading_class="",
        currency=row.currency or Currency(""),
        multiplier=multiplier,
        price_magnifier=1,
        tick_size=Decimal(1),
        point_value=Decimal(multiplier),
        vendor_to_ib_scale=Decimal(1),
        quotation="",
        months=MONTH_CODES,
        settlement=Settlement.PHYSICAL,
        ambiguous=True,
        confidence="medium",
        flags="Known from the mapping workbook alone.",
    )
    return _with_row(blank, row)


def _difference(spec: ContractSpec, name: str, then: object, now: object, subject: str) -> Finding:
    words = name.replace("_", " ").replace("ib ", "IB ")
    return Finding(
        code="AC223",
        severity=Severity.WARN,
        subject=subject,
        message=f"{words} of {spec.root} is {now}, the packaged table has {then or 'none'}",
        hint="compare the contract in TWS; empty the cell to keep the packaged fact",
        evidence={"root": spec.root, "fact": name, "packaged": str(then), "workbook": str(now)},
    )


def _mixed(message: str, hint: str, subject: str) -> Finding:
    return Finding(
        code="AC224", severity=Severity.BLOCK, subject=subject, message=message, hint=hint
    )


def _unblocked(spec: ContractSpec, subject: str) -> Finding:
    return Finding(
        code="AC229",
        severity=Severity.WARN,
        subject=subject,
        message=f"the workbook lifts the block of {spec.root}: {spec.blocked}",
        hint="keep the value up to date: it is compared with the gateway every evening",
    )
