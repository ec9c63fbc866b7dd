"""From an evening to HTML: the report's own parts, and around them what a person can do.

The audit's tables and drawers are drawn once for each thing shown, and kept; choices, decisions and
orders change around them and are drawn for every answer.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from afterclose.domain.order_life import OrderLife
from afterclose.domain.orders import OrderState
from afterclose.report import story
from afterclose.report.render import Drawn, drawn, page_environment, page_values
from afterclose.web.evenings import Evening
from afterclose.web.standing import Phase

_KEPT = 4

#: State of an order → icon and colour: what is in order, what goes on, what a person must look at.
_LOOKS = {
    OrderState.INTENDED: "info",
    OrderState.SENT: "look",
    OrderState.ACKNOWLEDGED: "info",
    OrderState.WORKING: "info",
    OrderState.PARTLY_FILLED: "info",
    OrderState.FILLED: "clear",
    OrderState.CANCELLED: "look",
    OrderState.REJECTED: "blocked",
    OrderState.UNKNOWN: "blocked",
}
_MEANINGS = {
    OrderState.INTENDED: "not sent yet",
    OrderState.SENT: "sent, no answer yet",
    OrderState.ACKNOWLEDGED: "the gateway has it",
    OrderState.WORKING: "in the market",
    OrderState.PARTLY_FILLED: "in the market, partly filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELLED: "cancelled",
    OrderState.REJECTED: "rejected: it is not in the market",
    OrderState.UNKNOWN: "nobody knows: look in TWS. It is not sent again by itself",
}

#: TWS's code of a rejection; its text says which.
_REJECTED = 201

Explain = Callable[[int, str], str]


@dataclass(frozen=True, slots=True)
class _Body:
    """What of a page depends on nothing but what is shown."""

    parts: Drawn
    html: Markup


class Pages:
    """Draws pages. ``explain`` puts a code of the gateway into plain words."""

    def __init__(self, *, explain: Explain, reviewer: str, csrf: str) -> None:
        self._explain = explain
        self._reviewer = reviewer
        self._csrf = csrf
        self._bodies: dict[tuple[str, str], _Body] = {}
        self._lock = threading.Lock()

    def evening(self, evening: Evening) -> str:
        """Draw the page of one evening."""
        body = self._body(evening)
        return self._draw(
            "page.html.j2",
            evening,
            sides=body.parts.sides,
            body=body.html,
            csrf=self._csrf,
        )

    def parts(self, evening: Evening) -> Drawn:
        """Return tables, charts and positions of one evening, drawn once."""
        return self._body(evening).parts

    def live(self, evening: Evening) -> str:
        """Draw only what changes while one looks at it."""
        return self._draw("live.html.j2", evening)

    def sheet(self, name: str, evening: Evening, **values: object) -> str:
        """Draw a sheet: what is about to happen, to be confirmed. Each can be sent once."""
        return self._draw(
            f"sheet_{name}.html.j2",
            evening,
            reviewer=self._reviewer,
            once=secrets.token_urlsafe(12),
            **values,
        )

    def problem(self, title: str, text: str, hint: str = "") -> str:
        """Draw why something was not done, for the sheet it was asked on."""
        return (
            _environment().get_template("problem.html.j2").render(title=title, text=text, hint=hint)
        )

    def plain(self, title: str, **values: object) -> str:
        """Draw a page that shows no report."""
        return (
            _environment()
            .get_template("plain.html.j2")
            .render(title=title, **{"text": "", "hint": "", "manifest": None, **values})
        )

    def past(self, rows: Sequence[object], **values: object) -> str:
        """Draw the list of evenings."""
        return _environment().get_template("evenings.html.j2").render(rows=rows, **values)

    def _draw(self, template: str, evening: Evening, **values: object) -> str:
        standing = evening.standing
        return (
            _environment()
            .get_template(template)
            .render(
                **{
                    "evening": evening,
                    "view": evening.view,
                    "audit": evening.view.audit,
                    "standing": standing,
                    "records": standing.records,
                    "choices": standing.choices,
                    "story": story,
                    "headline": story.headline(evening.view),
                    "choosing": True,
                    "plain_words": self._plain_words,
                    "row_of": {r.order.order_ref: r for r in evening.view.audit.rows},
                    **values,
                }
            )
        )

    def _plain_words(self, life: OrderLife) -> tuple[str, str]:
        """Return what the gateway said of an order, and what that means."""
        said = " ".join(life.text.split())
        code = life.code
        if code is None and life.state is OrderState.REJECTED:
            code = _REJECTED  # the broker's book tells the reason alone
        if code is None:
            return said, ""
        return f"{code}: {said}" if said else str(code), self._explain(code, said)

    def _body(self, evening: Evening) -> _Body:
        key = (evening.run_id, evening.digest)
        with self._lock:
            known = self._bodies.get(key)
            if known is not None:
                return known
            parts = drawn(evening.view)
            values = {**page_values(evening.view, parts), "choosing": True}
            html = _environment().get_template("body.html.j2").render(**values)
            body = _Body(parts, Markup(html))  # noqa: S704 - our own templates, escaped there
            self._bodies[key] = body
            while len(self._bodies) > _KEPT:
                self._bodies.pop(next(iter(self._bodies)))
        return body


def order_id(ref: str) -> str:
    """Return the id of an order's row among the orders that were sent."""
    return f"sent-{ref}"


@cache
def _environment() -> Environment:
    report = page_environment()
    loaders: list[BaseLoader] = [PackageLoader("afterclose.web", "templates")]
    if report.loader is not None:
        loaders.append(report.loader)
    environment = report.overlay(loader=ChoiceLoader(loaders))
    environment.globals = {
        **report.globals,
        "Phase": Phase,
        "OrderState": OrderState,
        "order_id": order_id,
        "looks": _LOOKS,
        "meanings": _MEANINGS,
    }
    return environment
