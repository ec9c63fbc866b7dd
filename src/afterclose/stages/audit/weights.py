"""Severities as the desk wants them, within what may be changed at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afterclose.domain.finding_codes import FIXED
from afterclose.domain.findings import Finding, Severity


def weighed(
    finding: Finding, severities: Mapping[str, Severity], *, closes: bool = False
) -> Finding:
    """Give a finding the desk's own severity.

    On a row that closes a position a finding may be made lighter, never heavier: exits must go.
    Codes that are fixed keep their weight.
    """
    wanted = severities.get(finding.code)
    if wanted is None or finding.code in FIXED:
        return finding
    if closes:
        wanted = min(wanted, finding.severity)
    return replace(finding, severity=wanted)
