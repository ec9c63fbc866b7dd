"""Where the desk's facts of a contract and the world's disagree, and how to mend it.

Four sides speak of one contract: the mapping (what we believe), the gateway (what it is), the data
vendor (what the models count with) and the last closes of both (what it trades at). Each function
compares two of them and finds nothing where one side is unknown. Pure; used by the nightly audit
and by ``afterclose mapping check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from afterclose.domain.contracts import MappedContract, PriceStep, QualifiedContract
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import Qualification, QualificationState, VendorContract

#: IB close and vendor close of one contract differ by less than this, or a unit is wrong.
LEVEL_TOLERANCE = Decimal("0.15")
#: Factors that price scales are mistaken by; a ratio this near to one of them is a unit slip.
UNIT_FACTORS = tuple(Decimal(f) for f in ("0.001", "0.01", "0.1", "10", "100", "1000"))
UNIT_NEARNESS = Decimal("0.05")
#: Vendors keep point values as floats.
POINT_VALUE_NEARNESS = Decimal("0.000001")

#: Fact → what to write in which column of the mapping workbook.
_FIXES = {
    "symbol": "set 'Symbol IB' of {root} to {theirs}",
    "exchange": "set 'Exchange IB' of {root} to {theirs}",
    "currency": "set 'Currency IB' of {root} to {theirs}",
    "trading class": "set 'Trading Class' of {root} to {theirs}",
    "multiplier": "set 'Contract Size IB' of {root} to {theirs}, if TWS shows the same",
    "magnifier": "set 'Magnifier' of {root} to {theirs}, and look at the unit of the price",
    "tick": "set 'Tick Size' of {root} to {theirs}",
    "contract month": "the month was misread: name {root}'s contract by its delivery month",
}


def named_once(mapped: MappedContract, answer: Qualification) -> Iterator[Finding]:
    """AC204, AC205, AC211: exactly one contract must answer to the name."""
    spec = mapped.spec
    name = f"{spec.ib_symbol} {mapped.contract.month.yyyymm} at {spec.ib_exchange}"
    if answer.state is QualificationState.AMBIGUOUS:
        classes = ", ".join(f"{c.trading_class}×{c.multiplier}" for c in answer.candidates)
        yield _block(
            mapped,
            "AC204",
            f"{name} names several contracts: {classes or answer.text}",
            "give trading class or multiplier in the mapping workbook",
        )
    elif answer.state is QualificationState.MISSING:
        yield _block(
            mapped,
            "AC205",
            f"the gateway knows no {name}: {answer.text}",
            "compare symbol, exchange, currency and month with TWS's contract search",
        )
    elif answer.state is QualificationState.UNKNOWN:
        yield _block(
            mapped,
            "AC211",
            f"the gateway did not answer for {name}: {answer.text}",
            "audit again; nothing is assumed of a contract that was not confirmed",
        )


def facts_agree(mapped: MappedContract, found: QualifiedContract) -> Iterator[Finding]:
    """AC206: the desk's facts and the gateway's must be the same, or prices mean other money."""
    spec = mapped.spec
    pairs: list[tuple[str, object, object]] = [
        ("symbol", spec.ib_symbol, found.symbol),
        ("exchange", spec.ib_exchange, found.exchange),
        ("currency", spec.currency, found.currency),
        ("magnifier", spec.price_magnifier, found.price_magnifier),
        ("tick", spec.tick_size, found.tick_size),
        ("contract month", mapped.contract.month.yyyymm, found.contract_month.yyyymm),
    ]
    if spec.trading_class:
        pairs.append(("trading class", spec.trading_class, found.trading_class))
    if spec.multiplier:
        pairs.append(("multiplier", Decimal(spec.multiplier), Decimal(found.multiplier or "0")))
    for fact, ours, theirs in pairs:
        if ours != theirs:
            fix = _FIXES[fact].format(root=spec.root, theirs=theirs)
            finding = _block(
                mapped,
                "AC206",
                f"{fact}: the mapping says {ours}, the gateway {theirs}",
                f"look in TWS; in the mapping workbook, {fix}",
            )
            yield _with(finding, fact=fact, mapping=str(ours), gateway=str(theirs))


def steps_agree(
    mapped: MappedContract, steps: Sequence[PriceStep], price: Decimal | None
) -> Iterator[Finding]:
    """AC206: the market rule's increment at this price must be the tick that limits are made on.

    The rule, not the smallest tick of the contract, is what IB holds a price against (error 110).
    Without a price, one of its increments must be the tick.
    """
    if not steps:
        return
    tick = mapped.spec.tick_size
    fitting = [step for step in steps if price is not None and step.low_edge <= abs(price)]
    at_price = max(fitting, key=lambda step: step.low_edge).increment if fitting else None
    known = {at_price} if at_price is not None else {step.increment for step in steps}
    if tick in known:
        return
    theirs = f"{max(known):f}"
    where = f" at {price:f}" if at_price is not None and price is not None else ""
    finding = _block(
        mapped,
        "AC206",
        f"market rule: the mapping's tick is {tick:f}, IB takes steps of {theirs}{where}",
        f"look in TWS; in the mapping workbook, "
        f"{_FIXES['tick'].format(root=mapped.spec.root, theirs=theirs)}",
    )
    yield _with(finding, fact="market rule", mapping=str(tick), gateway=theirs)


def last_trade_fits(mapped: MappedContract, found: QualifiedContract) -> Iterator[Finding]:
    """AC214: the last trade must fall into the month that is usual for the root.

    CL of August ends in July, BRN two months before its delivery, DC in the month after.
    """
    offset, last = mapped.spec.last_trade_month_offset, found.last_trade_date
    if offset is None or last is None:
        return
    month = mapped.contract.month
    seen = (last.year - month.year) * 12 + last.month - month.month
    if seen != offset:
        finding = Finding(
            code="AC214",
            severity=Severity.WARN,
            subject=mapped.contract.symbol,
            message=(
                f"last trade on {last}, {seen:+d} months from delivery {month.yyyymm}; "
                f"{mapped.spec.root} ends {offset:+d} months from it"
            ),
            hint="make sure that delivery month and last trade were not mixed up; look in TWS",
        )
        yield _with(finding, last_trade=last.isoformat(), usual=offset, seen=seen)


def point_values_agree(mapped: MappedContract, vendor: VendorContract | None) -> Iterator[Finding]:
    """AC215: vendor point value = multiplier / magnifier × price scale, or the model counts wrong.

    The identity holds for every root with a constant multiplier; where it fails, the model's
    profit, loss and size are of another contract.
    """
    ours = mapped.spec.point_value
    if ours is None or vendor is None or vendor.point_value is None:
        return
    expected = ours * mapped.spec.vendor_to_ib_scale
    if abs(vendor.point_value / expected - 1) > POINT_VALUE_NEARNESS:
        finding = _block(
            mapped,
            "AC215",
            f"the vendor counts {vendor.point_value:f} per point, the mapping "
            f"{expected:f} (multiplier / magnifier × price scale)",
            f"compare 'Contract Size IB' and 'Price Scale' of {mapped.spec.root} with the vendor's "
            "point value: the model sizes by the one, the account earns by the other",
        )
        yield _with(finding, vendor=str(vendor.point_value), mapping=str(expected))


def levels_agree(
    mapped: MappedContract, ours: Decimal, theirs: Decimal, *, named: str = "the model's price"
) -> Iterator[Finding]:
    """AC105, AC110: our price (in IB units) and the gateway's close are of one contract.

    ``named`` is what our price is called.
    """
    if ours <= 0 or theirs <= 0:  # a ratio means nothing there
        return
    ratio = ours / theirs
    slip = unit_slip(ratio)
    if slip is not None:
        finding = _block(
            mapped,
            "AC105",
            f"{named} is {ratio:.4g} times the gateway's: a unit slip of ×{slip:f}",
            "correct the price scale of the root in the mapping workbook",
        )
    elif abs(ratio - 1) > LEVEL_TOLERANCE:
        finding = _block(
            mapped,
            "AC110",
            f"{named} {ours:f} and the gateway's close "
            f"{theirs:f} are more than {LEVEL_TOLERANCE:.0%} apart",
            "another month or another contract was priced: compare both in TWS",
        )
    else:
        return
    yield _with(finding, model=str(ours), gateway=str(theirs))


def unit_slip(ratio: Decimal) -> Decimal | None:
    """Return the factor of ten that a ratio of prices is near to, if any."""
    return next((f for f in UNIT_FACTORS if abs(ratio / f - 1) < UNIT_NEARNESS), None)


def _block(mapped: MappedContract, code: str, message: str, hint: str) -> Finding:
    return Finding(
        code=code,
        severity=Severity.BLOCK,
        subject=mapped.contract.symbol,
        message=message,
        hint=hint,
    )


def _with(finding: Finding, **evidence: str | int) -> Finding:
    return replace(finding, evidence=evidence)
