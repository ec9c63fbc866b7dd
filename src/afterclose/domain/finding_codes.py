"""Codes of the evening, and which of them a desk may weigh differently (``audit.severities``).

Meanings, default weights and reasons are in ``docs/findings.md``. Codes about files (AC201, AC22x,
AC23x) stop what they speak of before there is a row, and are not weighed here.
"""

from __future__ import annotations

#: Sending such a row all the same would trade another contract, another size, or against a
#: position that nobody knows: no setting helps.
FIXED: frozenset[str] = frozenset(
    {
        "AC105", "AC106", "AC110", "AC118", "AC202", "AC203", "AC204", "AC205", "AC206", "AC207",
        "AC208", "AC211", "AC212", "AC303", "AC304", "AC305", "AC307", "AC308", "AC309", "AC312",
        "AC403", "AC404", "AC405", "AC407", "AC411", "AC413", "AC504", "AC505", "AC506", "AC509",
        "AC702",
    }
)  # fmt: skip

#: What a desk may make lighter or heavier.
CONFIGURABLE: frozenset[str] = frozenset(
    {
        "AC101", "AC102", "AC103", "AC104", "AC107", "AC108", "AC109", "AC111", "AC112", "AC113",
        "AC114", "AC115", "AC116", "AC117", "AC119", "AC120", "AC121", "AC122", "AC123", "AC124",
        "AC125", "AC126", "AC127", "AC128", "AC129", "AC130", "AC132", "AC133", "AC137", "AC209",
        "AC210", "AC213", "AC214", "AC215", "AC216", "AC217", "AC218", "AC219", "AC301", "AC302",
        "AC306", "AC310", "AC313", "AC314", "AC315", "AC316", "AC317", "AC318", "AC319", "AC401",
        "AC402", "AC406", "AC408", "AC409", "AC410", "AC412", "AC414", "AC415", "AC416", "AC417",
        "AC418", "AC501", "AC502", "AC503", "AC507", "AC508", "AC510", "AC511", "AC512", "AC513",
        "AC514", "AC515", "AC516", "AC517", "AC518", "AC519", "AC703", "AC704", "AC705",
    }
)  # fmt: skip
