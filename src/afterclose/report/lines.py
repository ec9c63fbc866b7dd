"""Lines over time as inline SVG: values of the account and the models, and sums of the drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape

from markupsafe import Markup

from afterclose.report.words import fixed, short_day

_WIDTH, _HEIGHT, _RIGHT, _TOP, _BOTTOM = 1080, 300, 960, 14, 262
_GRID = 4
_LABELS = 8
_APART = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: its name, the style class that colours it, a value per day."""

    name: str
    style: str
    values: Sequence[Decimal]


def draw_lines(title: str, days: Sequence[date], lines: Sequence[Line]) -> Markup:
    """Draw lines over the same days; each carries its name and last value at its end."""
    every = [v for line in lines for v in line.values]
    if len(days) < 2 or not every:  # noqa: PLR2004 - a line has two ends
        return Markup("")
    low, high = min(every), max(every)
    if low == high:
        low, high = low - 1, high + 1

    def down(value: Decimal) -> Decimal:
        return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)

    def across(index: int) -> Decimal:
        return Decimal(index) / (len(days) - 1) * _RIGHT

    box, said = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"', escape(title)
    parts = [f'<svg class="lines" {box} aria-label="{said}"><title>{said}</title>']
    for step in range(_GRID + 1):
        value = low + (high - low) * step / _GRID
        y = f"{down(value):.1f}"
        parts.append(f'<path class="grid" d="M0 {y}H{_RIGHT}"/>')
        label = f'x="2" y="{down(value) - 3:.1f}">{fixed(value, 0)}</text>'
        parts.append(f'<text class="axis" {label}')
    spacing = max(1, len(days) // _LABELS)
    for index in range(0, len(days), spacing):
        text = escape(short_day(days[index]))
        parts.append(f'<text class="axis" x="{across(index):.1f}" y="{_HEIGHT - 20}">{text}</text>')
    for line in lines:
        points = " ".join(f"{across(i):.1f},{down(v):.1f}" for i, v in enumerate(line.values))
        parts.append(f'<polyline class="{line.style}" points="{points}"/>')
    parts.extend(_names(lines, [down(line.values[-1]) for line in lines]))
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - our own drawing; its texts are escaped


def _names(lines: Sequence[Line], ends: Sequence[Decimal]) -> list[str]:
    """Names at the ends of the lines, moved apart where they would lie on each other."""
    placed: list[str] = []
    last = Decimal(-_APART)
    for end, line in sorted(zip(ends, lines, strict=True), key=lambda pair: pair[0]):
        last = max(end, last + _APART)
        text = f"{escape(line.name)} {fixed(line.values[-1], 0)}"
        at = f'x="{_RIGHT + 6}" y="{last + 4:.1f}"'
        placed.append(f'<text class="{line.style}" {at}>{text}</text>')
    return placed
