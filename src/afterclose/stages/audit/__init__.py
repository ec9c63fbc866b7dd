"""Audit: every order against the live market and the account. Rows in are rows out.

``checks`` holds the checks, small pure functions in one tuple; ``core`` gathers what they look at,
settles the final quantities and assembles the report.
"""

from afterclose.stages.audit.core import (
    AuditInputs,
    AuditRules,
    SizedRow,
    audit,
    completed_bars,
)
from afterclose.stages.audit.evening import Holding

__all__ = ["AuditInputs", "AuditRules", "Holding", "SizedRow", "audit", "completed_bars"]
