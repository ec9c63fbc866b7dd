"""Quality: what looks wrong in tonight's bars of the markets that are traded or held.

Nothing is repaired, and nothing is blocked by default: a bar that looks wrong is shown on every
order of its market, so that a person looks before the model's answer to it is sent. A market that
is held and not traded has no order to show it on; what weighs more than a note about it is said of
the evening.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from afterclose.domain.contracts import FuturesContract, RootSymbol, Session
from afterclose.domain.findings import Finding, Severity
from afterclose.ports import MarketData


@dataclass(frozen=True, slots=True, kw_only=True)
class BarQuality:
    """Findings by market: of tonight's bars, and of history that changed since the last evening.

    ``traded`` are the markets with an order tonight. ``revised`` also has currencies.
    """

    traded: frozenset[RootSymbol] = frozenset()
    bars: Mapping[RootSymbol, tuple[Finding, ...]] = field(default_factory=dict)
    revised: Mapping[str, Finding] = field(default_factory=dict)

    def of(self, contract: FuturesContract) -> tuple[Finding, ...]:
        """Return what every order of this contract's market must show."""
        revised = self.revised.get(contract.root)
        return (*self.bars.get(contract.root, ()), *((revised,) if revised else ()))

    def of_evening(self) -> tuple[Finding, ...]:
        """Return what must be looked at in markets that have no order tonight."""
        return tuple(
            finding
            for root, findings in self.bars.items()
            if root not in self.traded
            for finding in findings
            if finding.severity > Severity.INFO
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found."""
        return (*(f for found in self.bars.values() for f in found), *self.revised.values())


def run(
    data: MarketData,
    session: Session,
    *,
    traded: Collection[FuturesContract],
    held: Collection[FuturesContract],
) -> BarQuality:
    """Check the bars of the session for everything that is traded or held."""
    return BarQuality(
        traded=frozenset(contract.root for contract in traded),
        bars=data.quality({*traded, *held}, session),
        revised=data.revised(session),
    )
