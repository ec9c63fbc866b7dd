"""The page's colours, by the contrast formula of WCAG 2.2 (success criterion 1.4.3)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

LIGHT, DARK, PRINT = ":root {", ':root[data-theme="dark"] {', ":root:root {"
#: (text, background): every pair that the style sheet sets on each other.
PAIRS = [
    *((text, back) for text in ("ink", "soft", "link", "missing") for back in ("paper", "card")),
    *(("ink", group) for group in ("identity", "price", "risk", "alert", "risk-ok")),
    *(("missing", g) for g in ("identity", "price", "risk", "alert-quiet", "risk-ok")),
    *(("soft", g) for g in ("price", "risk", "alert-quiet", "risk-ok", "hover")),
    *((v, b) for v in ("clear", "look", "blocked") for b in ("paper", "card", f"{v}-bg")),
    *(("ink", f"{v}-bg") for v in ("clear", "look", "blocked")),
    ("info", "paper"),
    ("blocked", "alert"),
    ("blocked", "risk-ok"),
    ("stamp-paper-ink", "stamp-paper"),
    ("stamp-live-ink", "stamp-live"),
    *((level, back) for level in ("limit", "stop", "band", "now") for back in ("card", "paper")),
]


def style() -> str:
    return files("afterclose.report").joinpath("templates/_style.css").read_text("utf-8")


def palette(opening: str) -> dict[str, str]:
    block = style().split(opening, 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_knows_black_on_white_and_a_published_grey() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("opening", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_every_text_has_enough_contrast(opening: str) -> None:
    colours = {**palette(LIGHT), **palette(opening)}
    poor = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in PAIRS
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert poor == {}


def test_dark_is_the_same_whether_the_system_or_the_reader_asked_for_it() -> None:
    assert palette(':root:not([data-theme="light"]) {') == palette(DARK)
    assert palette(DARK).keys() == palette(LIGHT).keys()
