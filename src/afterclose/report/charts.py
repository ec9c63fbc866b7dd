"""One order as a picture: daily candles, Bollinger band, limit, stop and last close, as inline SVG.

Drawn here, without a library, so that a report of a hundred orders stays one small file. Candles
are ink on paper (hollow: closed higher; solid: closed lower); only levels have a colour, and each
carries its name and price, so that nothing is told by colour alone. Colours come from the page's
style sheet: the same drawing is right in light, in dark and on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from html import escape

from afterclose.domain.audit import AuditRow
from afterclose.domain.contracts import ContractSpec
from afterclose.domain.market import Bar
from afterclose.domain.placing import at_market
from afterclose.report.words import day, price, short_day

_WIDTH, _HEIGHT = 720, 264
_RIGHT, _TOP, _BOTTOM = 568, 12, 234
_BARS_SHOWN = 60
_GRID_LINES = 5
_LABEL_STEP = 15
_DATES_APART = 78
_DIGIT_WIDTH = Decimal("6.2")
_WINDOW, _BAND_WIDTH = 20, Decimal(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line: its name, its price (IB units) and the style class that colours it."""

    name: str
    price: Decimal
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPoint:
    """Mean and both edges of the band at one bar, counted from the oldest bar shown."""

    index: int
    mean: Decimal
    lower: Decimal
    upper: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What one drawing shows. ``chart_id`` must be unique on the page."""

    chart_id: str
    title: str
    spec: ContractSpec
    bars: tuple[Bar, ...]
    forming: Bar | None
    levels: tuple[Level, ...]
    band: tuple[BandPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """The mapping from bars and prices to the page."""

    low: Decimal
    high: Decimal
    slots: int
    #: Where the candles begin: at the left stand the prices of the grid.
    left: Decimal

    def x(self, index: int) -> str:
        width = (_RIGHT - self.left) / self.slots
        return _coordinate(self.left + width * index + width / 2)

    def y(self, price: Decimal) -> str:
        share = (self.high - price) / (self.high - self.low)
        return _coordinate(_TOP + share * (_BOTTOM - _TOP))

    @property
    def half_body(self) -> Decimal:
        return min(Decimal(5), (_RIGHT - self.left) / self.slots * Decimal("0.32"))


def order_chart(row: AuditRow, chart_id: str, *, entry: Decimal | None = None) -> Chart:
    """Collect what the chart of one order shows.

    ``entry`` is the average price of the position it touches; one far outside the picture is left
    out, because it would press the candles into a line.
    """
    window, width = _WINDOW, _BAND_WIDTH
    if row.sizing is not None:
        window, width = row.sizing.window, row.sizing.width
    shown = row.bars[-_BARS_SHOWN:]
    first = len(row.bars) - len(shown)
    band = tuple(p for p in rolling_band(row.bars, window, width, first=first) if p.index >= 0)
    order = row.order
    return Chart(
        chart_id=chart_id,
        title=f"{order.contract.symbol} {order.action} {order.quantity}",
        spec=order.mapped.spec,
        bars=shown,
        forming=row.forming,
        levels=_levels(row, entry, shown),
        band=band,
    )


def rolling_band(
    bars: Sequence[Bar], window: int, width: Decimal, *, first: int = 0
) -> tuple[BandPoint, ...]:
    """Return mean ∓ width × population σ of the last ``window`` closes, where there are so many."""
    points = []
    for end in range(window, len(bars) + 1):
        closes = [bar.close for bar in bars[end - window : end]]
        mean = sum(closes, Decimal(0)) / window
        spread = (sum(((c - mean) ** 2 for c in closes), Decimal(0)) / window).sqrt() * width
        points.append(
            BandPoint(index=end - 1 - first, mean=mean, lower=mean - spread, upper=mean + spread)
        )
    return tuple(points)


def draw(chart: Chart) -> str:
    """Draw the chart as one ``<svg>`` element; without bars, as a sentence that says so."""
    if not chart.bars:
        return '<p class="no-chart">No completed bars came from the gateway: nothing to draw.</p>'
    plot = _plot(chart)
    parts = (
        _opening(chart),
        _grid(chart, plot),
        _band(chart, plot),
        _candles(chart, plot),
        _level_lines(chart, plot),
        _dates(chart, plot),
        "</svg>",
    )
    return "".join(parts)


def _levels(row: AuditRow, entry: Decimal | None, shown: Sequence[Bar]) -> tuple[Level, ...]:
    order = row.order
    levels = []
    if not at_market(order.order_type):
        levels.append(Level(name="limit", price=order.limit_price, style="limit"))
    if row.close is not None:
        levels.append(Level(name="close", price=row.close.close, style="close"))
    if order.stop_level is not None:
        levels.append(Level(name="model stop", price=order.stop_level, style="stop"))
    if row.sizing is not None and row.sizing.band is not None:
        levels.append(Level(name="band", price=row.sizing.band, style="band"))
    if row.quote is not None and row.quote.price is not None:
        levels.append(Level(name="now", price=row.quote.price, style="now"))
    if entry is not None and any(bar.low <= entry <= bar.high for bar in shown):
        levels.append(Level(name="entry", price=entry, style="entry"))
    return tuple(levels)


def _plot(chart: Chart) -> _Plot:
    bars = (*chart.bars, chart.forming) if chart.forming else chart.bars
    prices = [edge for bar in bars for edge in (bar.low, bar.high)]
    prices += [level.price for level in chart.levels]
    prices += [edge for point in chart.band for edge in (point.lower, point.upper)]
    low, high = min(prices), max(prices)
    margin = (high - low) * Decimal("0.04") or chart.spec.tick_size
    longest = max(len(price(edge, chart.spec)) for edge in (low, high))
    return _Plot(
        low=low - margin,
        high=high + margin,
        slots=len(bars) + 1,
        left=longest * _DIGIT_WIDTH + 8,
    )


def _opening(chart: Chart) -> str:
    first, last = chart.bars[0].session, chart.bars[-1].session
    told = "; ".join(f"{level.name} {price(level.price, chart.spec)}" for level in chart.levels)
    text = f"{len(chart.bars)} daily bars, {day(first)} to {day(last)}. {told}."
    name = escape(chart.chart_id)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{escape(chart.title)}</title>'
        f'<desc id="{name}-d">{escape(text)}</desc>'
    )


def _grid(chart: Chart, plot: _Plot) -> str:
    step = _nice_step((plot.high - plot.low) / _GRID_LINES, chart.spec.tick_size)
    at = (plot.low / step).to_integral_value(rounding=ROUND_CEILING) * step
    lines, labels, left = [], [], _coordinate(plot.left - 6)
    while at <= plot.high:
        y = plot.y(at)
        lines.append(f"M{_coordinate(plot.left)} {y}H{_RIGHT}")
        text = price(at, chart.spec)
        labels.append(f'<text x="{left}" y="{_coordinate(Decimal(y) + 4)}">{text}</text>')
        at += step
    return f'<path class="c-grid" d="{"".join(lines)}"/><g class="c-tick">{"".join(labels)}</g>'


def _nice_step(raw: Decimal, tick: Decimal) -> Decimal:
    """Return the next price step of 1, 2 or 5 times a power of ten, at least one tick."""
    wanted = max(raw, tick)
    power = Decimal(1).scaleb(wanted.adjusted())
    return next(power * m for m in (1, 2, 5, 10) if power * m >= wanted)


def _band(chart: Chart, plot: _Plot) -> str:
    if not chart.band:
        return ""
    upper = [f"{plot.x(p.index)} {plot.y(p.upper)}" for p in chart.band]
    lower = [f"{plot.x(p.index)} {plot.y(p.lower)}" for p in reversed(chart.band)]
    mean = [f"{plot.x(p.index)} {plot.y(p.mean)}" for p in chart.band]
    area = f'<path class="c-area" d="M{"L".join((*upper, *lower))}Z"/>'
    return f'{area}<path class="c-mean" d="M{"L".join(mean)}"/>'


def _candles(chart: Chart, plot: _Plot) -> str:
    rising: list[str] = []
    falling: list[str] = []
    for index, bar in enumerate(chart.bars):
        (rising if bar.close >= bar.open else falling).append(_candle(bar, plot, index))
    forming = ""
    if chart.forming is not None:
        shape = _candle(chart.forming, plot, len(chart.bars))
        forming = f'<path class="c-up c-forming" d="{shape}"/>'
    up = f'<path class="c-up" d="{"".join(rising)}"/>' if rising else ""
    down = f'<path class="c-down" d="{"".join(falling)}"/>' if falling else ""
    return f"{up}{down}{forming}"


def _candle(bar: Bar, plot: _Plot, index: int) -> str:
    x, half = plot.x(index), plot.half_body
    top, bottom = plot.y(max(bar.open, bar.close)), plot.y(min(bar.open, bar.close))
    left, right = _coordinate(Decimal(x) - half), _coordinate(Decimal(x) + half)
    wicks = f"M{x} {plot.y(bar.high)}V{top}M{x} {bottom}V{plot.y(bar.low)}"
    return f"{wicks}M{left} {top}H{right}V{bottom}H{left}Z"


def _level_lines(chart: Chart, plot: _Plot) -> str:
    ordered = sorted(chart.levels, key=lambda level: -level.price)
    labels = _spread([Decimal(plot.y(level.price)) for level in ordered])
    parts, left = [], _coordinate(plot.left)
    for level, label_y in zip(ordered, labels, strict=True):
        y = plot.y(level.price)
        text = f"{level.name} {price(level.price, chart.spec)}"
        at = _coordinate(label_y)
        parts.append(
            f'<g class="c-{level.style}"><path d="M{left} {y}H{_RIGHT}L{_RIGHT + 8} {at}"/>'
            f'<text x="{_RIGHT + 11}" y="{_coordinate(label_y + 4)}">{escape(text)}</text></g>'
        )
    return "".join(parts)


def _spread(wanted: Sequence[Decimal]) -> list[Decimal]:
    """Move labels apart until none covers another, and all stay on the drawing."""
    placed: list[Decimal] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + _LABEL_STEP) if placed else y)
    limit = Decimal(_BOTTOM)
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - _LABEL_STEP
    return placed


def _dates(chart: Chart, plot: _Plot) -> str:
    per_slot = float(_RIGHT - plot.left) / plot.slots
    every = max(1, round(_DATES_APART / per_slot))
    last = len(chart.bars) - 1
    leftmost = float(plot.left) + _DATES_APART / 4  # a centred label must not hang over
    marks = [
        f'<text x="{plot.x(i)}" y="{_HEIGHT - 10}">{short_day(chart.bars[i].session)}</text>'
        for i in range(last, -1, -every)
        if float(plot.x(i)) > leftmost
    ]
    return f'<g class="c-date">{"".join(marks)}</g>'


def _coordinate(value: Decimal) -> str:
    text = f"{value:.1f}"
    return text.removesuffix(".0")
