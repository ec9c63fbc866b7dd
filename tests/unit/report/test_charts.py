from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import mean, pstdev
from xml.etree import ElementTree as ET

import pytest

from afterclose.domain.market import Bar
from afterclose.report.charts import draw, order_chart, rolling_band
from unit.report.make_rows import EVENING, make_row
from unit.report.make_view import make_view, many_orders

D = Decimal


def bar(close: str, n: int = 0) -> Bar:
    price = D(close)
    return Bar(
        session=date(2026, 11, 2) + timedelta(days=n),
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=D(1),
    )


def drawing(symbol: str) -> ET.Element:
    row = make_row(next(w for w in EVENING if w.symbol == symbol))
    return ET.fromstring(draw(order_chart(row, "x")))  # noqa: S314 - our own drawing


def test_the_band_is_mean_and_population_deviation_of_the_window() -> None:
    points = rolling_band([bar("2"), bar("4"), bar("6")], 2, D(3))

    # Closes 2 and 4: mean 3, population σ 1; closes 4 and 6: mean 5, σ 1.
    assert [(p.index, p.mean, p.lower, p.upper) for p in points] == [
        (1, D(3), D(0), D(6)),
        (2, D(5), D(2), D(8)),
    ]


def test_the_band_agrees_with_the_standard_librarys_statistics() -> None:
    bars = make_row(next(w for w in EVENING if w.symbol == "GCZ26")).bars
    closes = [float(b.close) for b in bars[-20:]]
    last = rolling_band(bars, 20, D(3))[-1]
    assert float(last.lower) == pytest.approx(mean(closes) - 3 * pstdev(closes), rel=1e-12)


def test_a_chart_names_every_level_with_its_price() -> None:
    texts = [e.text for e in drawing("ESZ26").iter("text")]
    for label in ("limit 6,720.25", "close 6,720.25", "model stop 6,580.00", "band 6,580.00"):
        assert label in texts


def test_a_chart_tells_a_screen_reader_what_it_shows() -> None:
    svg = drawing("6JZ26")
    described = svg.attrib["aria-labelledby"].split()

    assert svg.attrib["role"] == "img"
    assert [e.attrib["id"] for e in svg if e.tag in {"title", "desc"}] == described
    assert svg.findtext("title") == "6JZ26 BUY 15"
    assert "60 daily bars" in (svg.findtext("desc") or "")
    assert "limit 0.0064285" in (svg.findtext("desc") or "")


def test_labels_never_cover_each_other() -> None:
    for row in many_orders(100).audit.rows:
        picture = draw(order_chart(row, "x"))
        labels = re.findall(r'<text x="579" y="([\d.]+)">', picture)
        heights = sorted(float(y) for y in labels)
        gaps = [b - a for a, b in pairwise(heights)]
        assert all(gap >= 14.9 for gap in gaps), row.order.order_ref


def test_everything_is_drawn_inside_the_picture() -> None:
    for row in make_view().audit.rows:
        picture = draw(order_chart(row, "x"))
        for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", picture):
            assert 0 <= float(x) <= 720, row.order.order_ref
            assert 0 <= float(y) <= 264, row.order.order_ref


def test_a_flat_market_can_be_drawn() -> None:
    row = make_row(next(w for w in EVENING if w.symbol == "ESZ26"))
    flat = bar("6720.25")
    flat = replace(flat, high=flat.close, low=flat.close)
    row = replace(row, bars=(flat,), close=flat, sizing=None, quote=None)
    row = replace(row, order=replace(row.order, stop_level=None))
    assert "<svg" in draw(order_chart(row, "x"))


def test_a_negative_price_can_be_drawn() -> None:
    row = make_row(next(w for w in EVENING if w.symbol == "CLF27"))
    bars = tuple(bar(str(30 - 3 * n), n) for n in range(23))
    row = replace(row, bars=bars, close=bars[-1], quote=None)
    assert "close −36.00" in draw(order_chart(row, "x"))


def test_the_forming_bar_is_set_apart() -> None:
    row = make_row(next(w for w in EVENING if w.symbol == "ESZ26"))
    assert "c-forming" not in draw(order_chart(row, "x"))
    assert "c-forming" in draw(order_chart(replace(row, forming=row.bars[-1]), "x"))


def test_without_bars_a_sentence_stands_where_the_chart_would() -> None:
    row = make_row(next(w for w in EVENING if w.symbol == "KOSZ26"))
    assert "nothing to draw" in draw(order_chart(row, "x"))


def test_no_chart_is_heavier_than_twelve_kilobytes() -> None:
    rows = many_orders(100).audit.rows
    assert max(len(draw(order_chart(row, "o-main-20261120-TF-6JZ26-O1"))) for row in rows) < 12_000
