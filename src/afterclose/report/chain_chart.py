"""A market's chain as a picture: closes of each month, who led when, rolls, and missing bars.

Drawn here as one SVG without a library. Above are the prices: the month that led in full, the
others thin. Below is one line per month: thin while it has bars, thick while it led, with its first
notice, last trade and automatic close. Every mark is named in the legend and differs in shape, so
that nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import pairwise
from math import isfinite

WIDTH = 1080
_LEFT, _RIGHT = 76, 1000
_TOP, _PRICES_END = 76, 332
_ROW, _FIRST_ROW = 22, 376
_GRID_LINES = 5
_DATES = 8
_COLOURS = ("#1f6f8b", "#b4541a", "#4b7f2c", "#7a4fa3")
_STYLE = """
text{font:12px system-ui,sans-serif;fill:#23282d}.t{font-size:16px;font-weight:600}
.s{fill:#5b646d}.g{stroke:#e3e6e9}.r{stroke:#8a939c;stroke-dasharray:3 3}.f{fill:none}
.h{stroke:#c0182b;stroke-width:2}.p{fill:#fff}
@media(prefers-color-scheme:dark){.p{fill:#15181b}text{fill:#e6e9ec}.s{fill:#a4adb6}.g{stroke:#2c3136}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Sessions in which a month had the most volume, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One contract: its bars in the time that is shown, in the vendor's price unit.

    ``led`` are the stretches in which it led, ``missing`` the sessions of its market without a bar
    with the reason.
    """

    symbol: str
    days: Sequence[date]
    closes: Sequence[float]
    led: Sequence[Stretch] = ()
    missing: Sequence[tuple[date, str]] = ()
    first_notice: date | None = None
    last_trade: date | None = None
    auto_close: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainChart:
    """What one drawing shows, from ``first`` to ``last``."""

    title: str
    subtitle: str
    first: date
    last: date
    months: Sequence[Month]


@dataclass(frozen=True, slots=True)
class _Scale:
    first: date
    days: int
    low: float
    high: float

    def x(self, day: date) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (day - self.first).days / self.days

    def y(self, price: float) -> float:
        return _TOP + (_PRICES_END - _TOP) * (self.high - price) / (self.high - self.low)


def draw(chart: ChainChart) -> str:
    """Draw it as one ``<svg>`` document that stands by itself."""
    scale = _scale(chart)
    height = _FIRST_ROW + _ROW * len(chart.months) + 64
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    name = f'role="img" aria-label="{escape(chart.title)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {name}>',
        f'<style>{_STYLE}</style><rect class="p" width="{WIDTH}" height="{height}"/>',
        f'<text class="t" x="{_LEFT}" y="24">{escape(chart.title)}</text>',
        f'<text class="s" x="{_LEFT}" y="44">{escape(chart.subtitle)}</text>',
        *_grid(chart, scale, height),
        *(
            _closes(month, scale, at, alone=len(chart.months) == 1)
            for at, month in enumerate(chart.months)
        ),
        *_rolls(chart, scale, height),
        *(part for at, month in enumerate(chart.months) for part in _row(month, scale, at)),
        _legend(height),
        "</svg>",
    ]
    return "".join(parts)


def page(chart: ChainChart) -> str:
    """Return the drawing as an HTML page."""
    title = escape(chart.title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>body{{margin:1rem}}svg{{max-width:100%;height:auto}}</style>{draw(chart)}</html>\n"
    )


def _scale(chart: ChainChart) -> _Scale:
    known = [close for month in chart.months for close in month.closes if isfinite(close)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = (high - low) * 0.05 or max(abs(high), 1.0) * 0.01
    days = max((chart.last - chart.first).days, 1)
    return _Scale(chart.first, days, low - margin, high + margin)


def _grid(chart: ChainChart, scale: _Scale, height: int) -> Iterable[str]:
    step = _nice_step((scale.high - scale.low) / _GRID_LINES)
    at = -(-scale.low // step) * step
    while at <= scale.high:
        y = scale.y(at)
        yield f'<path class="g" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
        yield f'<text class="s" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{at:.10g}</text>'
        at += step
    for number in range(_DATES + 1):
        day = chart.first + timedelta(days=scale.days * number // _DATES)
        x = scale.x(day)
        yield f'<path class="g" d="M{x:.1f} {_TOP}V{height - 56}"/>'
        yield (
            f'<text class="s" x="{x:.1f}" y="{_PRICES_END + 18}" text-anchor="middle">{day}</text>'
        )


def _nice_step(raw: float) -> float:
    power = 10.0 ** (len(f"{raw:.0f}") - 1) if raw >= 1 else 1.0
    while power > raw:
        power /= 10
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw)


def _closes(month: Month, scale: _Scale, at: int, *, alone: bool) -> str:
    colour = _COLOURS[at % len(_COLOURS)]
    thin, look = _line(month, scale, []), 'stroke-width="0.7" opacity="0.55"'
    if alone:
        look = 'stroke-width="1.4"'
    parts = [f'<path class="f" d="{thin}" stroke="{colour}" {look}/>']
    if month.led:
        thick = _line(month, scale, month.led)
        parts.append(f'<path class="f" d="{thick}" stroke="{colour}" stroke-width="2.2"/>')
    return "".join(parts)


def _line(month: Month, scale: _Scale, stretches: Sequence[Stretch]) -> str:
    """The closes; a new stroke after an unknown close and at the border of a stretch."""
    parts: list[str] = []
    drawing = False
    for day, close in zip(month.days, month.closes, strict=True):
        inside = not stretches or any(s.first <= day <= s.last for s in stretches)
        if not (inside and isfinite(close)):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{scale.x(day):.1f} {scale.y(close):.1f}")
        drawing = True
    return "".join(parts)


def _rolls(chart: ChainChart, scale: _Scale, height: int) -> Iterable[str]:
    led = sorted((s.first, month.symbol) for month in chart.months for s in month.led)
    last_label = float("-inf")
    for (_, old), (day, new) in pairwise(led):
        if old == new:
            continue
        x = scale.x(day)
        yield f'<path class="r" d="M{x:.1f} {_TOP}V{height - 56}"/>'
        if x - last_label > 84:  # noqa: PLR2004 - the width of a label
            yield f'<text class="s" x="{x + 3:.1f}" y="{_TOP - 4}">→ {escape(new)}</text>'
            last_label = x


def _row(month: Month, scale: _Scale, at: int) -> Iterable[str]:
    y, colour = _FIRST_ROW + _ROW * at, _COLOURS[at % len(_COLOURS)]
    yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(month.symbol)}</text>'
    if month.days:
        first, last = scale.x(month.days[0]), scale.x(month.days[-1])
        yield f'<path d="M{first:.1f} {y}H{max(last, first + 1):.1f}" stroke="{colour}"/>'
    for stretch in month.led:
        first, last = scale.x(stretch.first), scale.x(stretch.last)
        yield (
            f'<path d="M{first:.1f} {y}H{max(last, first + 2):.1f}" '
            f'stroke="{colour}" stroke-width="8"/>'
        )
    for day, reason in month.missing:
        x = scale.x(day)
        yield (
            f'<path class="h" d="M{x:.1f} {y - 8}V{y + 8}">'
            f"<title>{escape(month.symbol)} {day}: {escape(reason)}</title></path>"
        )
    ends = ((month.first_notice, "n", -5), (month.auto_close, "c", -5), (month.last_trade, "x", 13))
    for end, letter, off in ends:
        if end is not None and 0 <= (end - scale.first).days <= scale.days:
            x = scale.x(end)
            yield f'<text class="s" x="{x:.1f}" y="{y + off}" text-anchor="middle">{letter}</text>'


def _legend(height: int) -> str:
    y = height - 22
    entries = (
        (0, '<path d="M0 -4H26" stroke="#5b646d" stroke-width="8"/>', "led (most volume)"),
        (164, '<path d="M0 -4H26" stroke="#5b646d"/>', "has bars"),
        (264, '<path class="r" d="M16 -14V4"/>', "roll"),
        (334, '<path class="h" d="M16 -12V4"/>', "a bar is missing"),
        (476, '<text class="s" x="16">n</text>', "first notice"),
        (596, '<text class="s" x="16">c</text>', "automatic close"),
        (738, '<text class="s" x="16">x</text>', "last trade"),
    )
    return "".join(
        f'<g transform="translate({_LEFT + left} {y})">{mark}'
        f'<text class="s" x="32">{escape(text)}</text></g>'
        for left, mark, text in entries
    )
