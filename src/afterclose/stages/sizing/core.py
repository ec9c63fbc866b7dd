"""The size of one opening order, by the risk to its stop.

The stop of a purchase is the lower Bollinger band of the completed closes (mean − width ×
population σ of the last ``window``), that of a short sale the upper one. One contract risks the
distance to it times the point value, in the account's currency; the capital's risk fraction over
that, rounded down, is the number of contracts. Only openings are sized: what is missing here never
holds up an exit or a roll.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from afterclose.domain.audit import Sizing
from afterclose.domain.findings import Finding, Severity
from afterclose.domain.market import Bar
from afterclose.domain.orders import Action
from afterclose.stages.sizing.explain import ModelSize, explain, parts_text


class Policy(StrEnum):
    """Whose quantity goes when the model's and the audit's differ."""

    SMALLER = "smaller"
    AUDIT = "audit"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRules:
    """The desk's rules. Fractions are fractions: 0.005 is half a percent."""

    risk_fraction: Decimal
    window: int = 20
    width: Decimal = Decimal(3)
    policy: Policy = Policy.SMALLER
    max_volume_share: Decimal = Decimal("0.20")
    max_contracts: Mapping[str, int] = field(default_factory=dict)
    max_order_contracts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingInput:
    """One opening order. ``bars`` are completed ones, oldest first; None is unknown.

    ``closing`` of its contracts only take an opposite position away (a reversal): they are not
    sized. ``held`` are contracts of the same entry that the desk has already: they use up its risk.
    """

    subject: str
    root: str
    action: Action
    quantity: int
    bars: Sequence[Bar]
    point_value: Decimal | None
    fx: Decimal | None
    currency: str
    capital: Decimal | None
    closing: int = 0
    held: int = 0
    #: What the model sized with, where that is known.
    model: ModelSize | None = None

    @property
    def opening(self) -> int:
        """Contracts that make a position: what is sized."""
        return self.quantity - self.closing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The figures, the quantity that may go (0: none), and what there is to say."""

    sizing: Sizing
    quantity: int
    mismatch: bool | None
    findings: tuple[Finding, ...]


def mean_and_deviation(closes: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Return mean and *population* standard deviation, exact to the decimal context."""
    count = len(closes)
    mean = sum(closes, Decimal(0)) / count
    variance = sum(((c - mean) ** 2 for c in closes), Decimal(0)) / count
    return mean, variance.sqrt()


def size(order: SizingInput, rules: SizingRules) -> Sized:
    """Size one opening order. Pure; every missing input is named and leaves its figures None."""
    sizing = _risk(order, rules)
    missing = _missing(order, rules)
    contracts = sizing.contracts_to_trade
    if missing or contracts is None:
        why = missing or (_stop_crossed(order, sizing),)
        return _closing_alone(order, Sized(sizing=sizing, quantity=0, mismatch=None, findings=why))
    mismatch = contracts != order.opening + order.held
    wanted = _chosen(order.opening, max(0, contracts - order.held), rules.policy)
    quantity, caps = _capped(order, wanted, rules)
    parts = explain(sizing, order.model) if order.model and mismatch else ()
    sizing = replace(sizing, caps=caps, parts=parts)
    findings = _sizing_findings(order, sizing, mismatch=mismatch, quantity=quantity)
    sized = Sized(sizing=sizing, quantity=quantity, mismatch=mismatch, findings=findings)
    if quantity == 0:
        return _closing_alone(order, sized)
    return replace(sized, quantity=order.closing + quantity)


def _closing_alone(order: SizingInput, sized: Sized) -> Sized:
    """Let the closing part of a reversal go when its opening part may not: exits must go."""
    if order.closing == 0:
        return sized
    alone = Finding(
        code="AC413",
        severity=Severity.WARN,
        subject=order.subject,
        message=f"the reversal cannot open: only the {order.closing} that close go",
        hint="the model then holds a position that the desk does not",
    )
    shown = (replace(f, severity=min(f.severity, Severity.WARN)) for f in sized.findings)
    return replace(sized, quantity=order.closing, findings=(*shown, alone))


def _risk(order: SizingInput, rules: SizingRules) -> Sizing:
    sizing = Sizing(
        window=rules.window,
        width=rules.width,
        point_value=order.point_value,
        fx=order.fx,
        capital=order.capital,
        max_risk=None if order.capital is None else order.capital * rules.risk_fraction,
    )
    if len(order.bars) < rules.window:
        return sizing
    closes = [b.close for b in order.bars[-rules.window :]]
    mean, deviation = mean_and_deviation(closes)
    side = order.action.sign
    band = mean - side * rules.width * deviation
    distance = max(Decimal(0), side * (closes[-1] - band))
    sizing = replace(sizing, mean=mean, deviation=deviation, band=band, stop_distance=distance)
    return _money(sizing)


def _money(sizing: Sizing) -> Sizing:
    if sizing.stop_distance is None or sizing.point_value is None:
        return sizing
    risk = sizing.stop_distance * sizing.point_value
    sizing = replace(sizing, risk_per_contract=risk)
    if sizing.fx is None:
        return sizing
    base = risk * sizing.fx
    sizing = replace(sizing, risk_per_contract_base=base)
    if sizing.max_risk is None or base <= 0:
        return sizing
    # Capital below zero (a currency account in debit) buys nothing; it does not sell.
    contracts = max(0, int((sizing.max_risk / base).to_integral_value(rounding=ROUND_DOWN)))
    total = contracts * base
    return replace(
        sizing,
        contracts_to_trade=contracts,
        risk_per_trade=total,
        risk_ok=total <= sizing.max_risk,
    )


def _chosen(model: int, audit: int, policy: Policy) -> int:
    if policy is Policy.MODEL:
        return model
    return audit if policy is Policy.AUDIT else min(model, audit)


def _capped(order: SizingInput, wanted: int, rules: SizingRules) -> tuple[int, tuple[str, ...]]:
    caps: list[str] = []
    quantity = wanted
    most = rules.max_contracts.get(order.root)
    if most is not None and quantity > max(0, most - order.held):
        quantity = max(0, most - order.held)
        caps.append(f"max_contracts {most}")
    if rules.max_order_contracts is not None and quantity > rules.max_order_contracts:
        quantity = rules.max_order_contracts
        caps.append(f"max_order_contracts {rules.max_order_contracts}")
    volumes = [b.volume for b in order.bars[-rules.window :] if b.volume >= 0]
    if volumes:
        share = sum(volumes, Decimal(0)) / len(volumes) * rules.max_volume_share
        if quantity > share:
            quantity = int(share.to_integral_value(rounding=ROUND_DOWN))
            caps.append(f"{rules.max_volume_share:.0%} of mean volume")
    return quantity, tuple(caps)


def _missing(order: SizingInput, rules: SizingRules) -> tuple[Finding, ...]:
    found: list[Finding] = []

    def add(code: str, message: str, hint: str) -> None:
        found.append(
            Finding(
                code=code,
                severity=Severity.BLOCK,
                subject=order.subject,
                message=message,
                hint=hint,
            )
        )

    if len(order.bars) < rules.window:
        add(
            "AC405",
            f"only {len(order.bars)} completed bars, the band needs {rules.window}",
            "a new contract, or history without permission: look in TWS",
        )
    if order.point_value is None:
        add("AC411", "the point value is unknown", "the contract was not found at the gateway")
    if order.fx is None:
        add(
            "AC403",
            f"no exchange rate for {order.currency}",
            "the row cannot be sized; check IDEALPRO permissions, or exclude the row",
        )
    if order.capital is None:
        add("AC404", "the capital is unknown", "the account's values did not come: audit again")
    return tuple(found)


def _stop_crossed(order: SizingInput, sizing: Sizing) -> Finding:
    return Finding(
        code="AC407",
        severity=Severity.BLOCK,
        subject=order.subject,
        message="the last close is already beyond the stop band: the risk is not defined",
        hint="the entry is void; let it go",
        evidence={"close": str(order.bars[-1].close), "band": str(sizing.band)},
    )


def _sizing_findings(
    order: SizingInput, sizing: Sizing, *, mismatch: bool, quantity: int
) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if mismatch:
        found.append(_mismatch(order, sizing, quantity))
    if not any(b.volume >= 0 for b in order.bars[-sizing.window :]):
        found.append(_volume_unknown(order.subject))
    if sizing.caps:
        found.append(cut_by_caps(order.subject, quantity, sizing.caps))
    elif quantity == 0:
        more = " more" if order.held else ""
        found.append(
            Finding(
                code="AC402",
                severity=Severity.BLOCK,
                subject=order.subject,
                message=(
                    f"one contract{more} risks {_money_text(sizing.risk_per_contract_base)}, more "
                    f"than what is left of the {_money_text(sizing.max_risk)} a trade may lose"
                ),
                hint="the market is too big for this capital; a micro contract may fit",
            )
        )
    return tuple(found)


def _mismatch(order: SizingInput, sizing: Sizing, quantity: int) -> Finding:
    """AC401, AC415: loud only where something is left that nothing explains."""
    held = f" and {order.held} are held" if order.held else ""
    explained = bool(sizing.parts) and sizing.parts[-1][1] == 0
    why = f": {parts_text(sizing.parts)}" if sizing.parts else ""
    return Finding(
        code="AC415" if explained else "AC401",
        severity=Severity.INFO if explained else Severity.WARN,
        subject=order.subject,
        message=(
            f"the model wants {order.opening}, the audit allows "
            f"{sizing.contracts_to_trade}{held}; {quantity} will go{why}"
        ),
        hint=(
            "nothing is left unexplained; audit.size sets whose size counts"
            if explained
            else "compare capital, exchange rate and stop below; audit.size sets whose counts"
        ),
        evidence={
            "model": order.opening,
            "audit": sizing.contracts_to_trade,
            **{name: str(part) for name, part in sizing.parts},
        },
    )


def _volume_unknown(subject: str) -> Finding:
    return Finding(
        code="AC418",
        severity=Severity.WARN,
        subject=subject,
        message="the volume of this contract is unknown: the cap by volume was not applied",
        hint="look at it in TWS before approving",
    )


def cut_by_caps(subject: str, quantity: int, caps: tuple[str, ...]) -> Finding:
    """AC406: the desk's own limits made the quantity smaller."""
    return Finding(
        code="AC406",
        severity=Severity.WARN if quantity else Severity.BLOCK,
        subject=subject,
        message=f"the quantity was cut to {quantity} by: {', '.join(caps)}",
        hint="raise the cap in the settings if that is not meant",
    )


def _money_text(amount: Decimal | None) -> str:
    return "an unknown amount" if amount is None else f"{amount:,.0f}"
