"""The product's own table of contract facts, and any other table of the same columns.

The table says, for every root, how Interactive Brokers names it and in which unit it quotes it.
Two rules of IB's own are checked on reading: point value = multiplier / magnifier, and a root
without a constant multiplier or a known vendor unit carries the reason why it is blocked.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from types import MappingProxyType

from afterclose.domain.contracts import (
    MONTH_CODES,
    ContractSpec,
    Currency,
    RootSymbol,
    Settlement,
)
from afterclose.domain.findings import Finding, Severity
from afterclose.errors import ContractError, UsageError

COLUMNS = (
    "root", "name", "sector", "ib_symbol", "ib_exchange", "trading_class", "currency",
    "multiplier", "price_magnifier", "tick_size", "point_value", "vendor_to_ib_scale",
    "vendor_quotation", "quotation", "months", "settlement", "last_trade_month_offset",
    "ambiguous", "send_trading_class", "confidence", "ambiguity", "flags", "blocked",
)  # fmt: skip

_PLAIN_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_ROOT = re.compile(r"[A-Z0-9]{1,6}")
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Follows the letters of the cycle where the months between them are listed for a while too.
_SERIAL = " (+serial)"
_YES_NO = {"yes": True, "no": False}
_CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """What a contract table says. A row with a finding of severity BLOCK is not in ``specs``.

    ``last_trade_month_offset`` is how many months after its delivery month a contract last
    trades: −1 for CL, whose August contract ends in July; −2 for BRN; +1 for DC.
    """

    specs: Mapping[RootSymbol, ContractSpec]
    last_trade_month_offset: Mapping[RootSymbol, int]
    findings: tuple[Finding, ...]


def packaged_table() -> TableReading:
    """Read the table that comes with the product.

    Raises ContractError when the installed table is damaged.
    """
    resource = resources.files("afterclose").joinpath("data", "contracts.csv")
    reading = read_table(resource.read_text(encoding="utf-8"), source="contracts.csv")
    if reading.findings:
        raise ContractError(
            f"the installed contract table is damaged: {reading.findings[0]}",
            hint="install afterclose again",
        )
    return reading


def packaged_specs() -> Mapping[RootSymbol, ContractSpec]:
    """Facts of every root in the table that comes with the product."""
    return packaged_table().specs


def read_table(text: str, *, source: str) -> TableReading:
    """Read a contract table from CSV text; ``source`` names the file in findings.

    Raises UsageError when the text is no CSV or a column is missing. A row that cannot be used,
    or a root that comes twice, is a finding.
    """
    specs: dict[RootSymbol, ContractSpec] = {}
    offsets: dict[RootSymbol, int] = {}
    findings: list[Finding] = []
    for line, row in _rows(text, source=source):
        try:
            spec = _spec(row, earlier=specs)
            offset = _offset(row)
        except ContractError as error:
            findings.append(_finding(error, source=source, line=line, row=row))
        else:
            specs[spec.root] = spec
            offsets[spec.root] = offset
    return TableReading(
        specs=MappingProxyType(specs),
        last_trade_month_offset=MappingProxyType(offsets),
        findings=tuple(findings),
    )


def _rows(text: str, *, source: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise UsageError(
                f"{source}: columns missing: {', '.join(missing)}; "
                f"found: {', '.join(header) or 'none'}",
                hint="start from the table that comes with the product and change its rows",
            )
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled:
            raise UsageError(
                f"{source}: columns given twice: {', '.join(doubled)}",
                hint="keep one of each",
            )
        for cells in reader:
            if any(cell.strip() for cell in cells):
                padded = cells + [""] * (len(header) - len(cells))
                row = {name: cell.strip() for name, cell in zip(header, padded, strict=False)}
                if len(cells) != len(header):
                    row["root"] = f"{row['root']} ({len(cells)} values, {len(header)} columns)"
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(
            f"{source}, line {reader.line_num}: not a CSV file: {error}",
            hint="save the table as comma-separated text",
        ) from error


def _spec(row: Mapping[str, str], *, earlier: Mapping[RootSymbol, ContractSpec]) -> ContractSpec:
    root = RootSymbol(_matching(row, "root", _ROOT))
    if root in earlier:
        raise ContractError(f"{root} was given in an earlier row")
    magnifier = _magnifier(row)
    point_value = _point_value(row, magnifier=magnifier)
    return ContractSpec(
        root=root,
        name=row["name"],
        sector=row["sector"],
        ib_symbol=_present(row, "ib_symbol"),
        ib_exchange=_present(row, "ib_exchange"),
        trading_class=row["trading_class"],
        currency=Currency(_matching(row, "currency", _CURRENCY)),
        multiplier=row["multiplier"],
        price_magnifier=magnifier,
        tick_size=_positive(row, "tick_size"),
        point_value=point_value,
        vendor_to_ib_scale=_scale(row),
        quotation=row["quotation"],
        months=_months(row),
        settlement=Settlement(_choice(row, "settlement", tuple(Settlement))),
        last_trade_month_offset=_offset(row),
        ambiguous=_YES_NO[_choice(row, "ambiguous", tuple(_YES_NO))],
        send_trading_class=_YES_NO[_choice(row, "send_trading_class", tuple(_YES_NO))],
        confidence=_choice(row, "confidence", _CONFIDENCES),
        flags=" ".join(text for text in (row["ambiguity"], row["flags"]) if text),
        blocked=row["blocked"],
    )


def _offset(row: Mapping[str, str]) -> int:
    return int(_choice(row, "last_trade_month_offset", ("-2", "-1", "0", "1")))


def _point_value(row: Mapping[str, str], *, magnifier: int) -> Decimal | None:
    if not row["multiplier"]:
        _must_be_blocked(row, why="a root without a constant multiplier")
        return None
    multiplier = _positive(row, "multiplier")
    point_value = _positive(row, "point_value")
    if point_value * magnifier != multiplier:
        raise ContractError(
            f"point_value must be multiplier / price_magnifier ({multiplier} / {magnifier}), "
            f"was {point_value}"
        )
    return point_value


def _scale(row: Mapping[str, str]) -> Decimal:
    if not row["vendor_to_ib_scale"]:
        _must_be_blocked(row, why="a root whose vendor unit is not known")
        return Decimal(1)
    return _positive(row, "vendor_to_ib_scale")


def _must_be_blocked(row: Mapping[str, str], *, why: str) -> None:
    if not row["blocked"]:
        raise ContractError(f"{why} must give the reason in column blocked")


def _magnifier(row: Mapping[str, str]) -> int:
    return int(_choice(row, "price_magnifier", ("1", "10", "100", "1000", "10000")))


def _months(row: Mapping[str, str]) -> str:
    months = _present(row, "months")
    letters = months.removesuffix(_SERIAL)
    if not letters or list(letters) != [code for code in MONTH_CODES if code in letters]:
        raise ContractError(f"months must be letters of {MONTH_CODES} in order, was {months!r}")
    return months


def _positive(row: Mapping[str, str], column: str) -> Decimal:
    value = Decimal(_matching(row, column, _PLAIN_NUMBER))
    if value == 0:
        raise ContractError(f"{column} must be positive, was {row[column]!r}")
    return value


def _matching(row: Mapping[str, str], column: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(row[column]) is None:
        raise ContractError(f"{column} cannot be read: {row[column]!r}")
    return row[column]


def _choice(row: Mapping[str, str], column: str, allowed: tuple[str, ...]) -> str:
    if row[column] not in allowed:
        raise ContractError(f"{column} must be one of {', '.join(allowed)}, was {row[column]!r}")
    return row[column]


def _present(row: Mapping[str, str], column: str) -> str:
    if not row[column]:
        raise ContractError(f"{column} must not be empty")
    return row[column]


def _finding(error: ContractError, *, source: str, line: int, row: Mapping[str, str]) -> Finding:
    return Finding(
        code="AC220",
        severity=Severity.BLOCK,
        subject=f"{source}, line {line}",
        message=f"the facts of {row['root'] or 'a root'} cannot be used: {error}",
        hint="correct the row; until then the root is not mapped by this table",
        evidence={"file": source, "line": line, "root": row["root"]},
    )
