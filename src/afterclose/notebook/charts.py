"""Charts one can point at, with plotly; an extra, asked for only when a chart is."""

from __future__ import annotations

from typing import Any

import pandas as pd

from afterclose.domain.audit import AuditRow
from afterclose.errors import ConfigError


def plotly() -> Any:
    """Return plotly's graph objects. Raises ConfigError where it is not installed."""
    try:
        from plotly import graph_objects  # noqa: PLC0415 - an extra: may be absent
    except ImportError:
        raise ConfigError(
            "charts in a notebook need plotly, which is not installed",
            hint="pip install 'afterclose[notebook]'; the report has its own charts",
        ) from None
    return graph_objects


def order_chart(row: AuditRow) -> Any:
    """Draw one order: candles, band, limit, stop, last close."""
    graph = plotly()
    order = row.order
    bars = pd.DataFrame(
        [(b.session, float(b.open), float(b.high), float(b.low), float(b.close)) for b in row.bars],
        columns=["session", "open", "high", "low", "close"],
    )
    figure = graph.Figure()
    figure.add_candlestick(
        x=bars["session"],
        **{name: bars[name] for name in ("open", "high", "low", "close")},
        name=order.contract.symbol,
    )
    if row.sizing is not None:
        window, width = row.sizing.window, float(row.sizing.width)
        closes = bars["close"].rolling(window)
        mean, spread = closes.mean(), closes.std(ddof=0) * width
        for name, line in (("upper band", mean + spread), ("lower band", mean - spread)):
            figure.add_scatter(x=bars["session"], y=line, name=name, line={"dash": "dot"})
    levels = {
        "limit": order.limit_price,
        "stop": order.stop_level,
        "close": row.close.close if row.close else None,
    }
    for name, level in levels.items():
        if level is not None:
            figure.add_hline(y=float(level), annotation_text=name, line_width=1)
    title = f"{order.action.value} {order.quantity} {order.contract.symbol} · {order.model}"
    return figure.update_layout(
        template="plotly_white", title=title, xaxis_rangeslider_visible=False
    )
