"""Read a report back as a browser would: elements, their attributes, their text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "wbr", "input", "hr", "img", "base"})


@dataclass(slots=True, kw_only=True)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Text of the element and all below it, blanks collapsed."""
        return " ".join(self._raw().split())

    def _raw(self) -> str:
        return "".join(c if isinstance(c, str) else c._raw() for c in self.children)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, **wanted: str) -> list[Element]:
        """Every element below with this tag and these attributes; ``class_`` is one of many."""
        return [e for e in self.walk() if e.tag == tag and e.has(wanted)]

    def has(self, wanted: dict[str, str]) -> bool:
        for name, value in wanted.items():
            if name == "class_":
                if value not in self.attributes.get("class", "").split():
                    return False
            elif self.attributes.get(name.replace("_", "-")) != value:
                return False
        return True

    def one(self, tag: str, **wanted: str) -> Element:
        found = self.all(tag, **wanted)
        if len(found) != 1:
            raise LookupError(f"expected one <{tag}> with {wanted}, found {len(found)}")
        return found[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element(tag="document", attributes={})
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag=tag, attributes=attributes, parent=self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._open.children.append(Element(tag=tag, attributes=attributes, parent=self._open))

    def handle_endtag(self, tag: str) -> None:
        if tag != self._open.tag or self._open.parent is None:
            raise ValueError(f"</{tag}> closes <{self._open.tag}>")
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


def read_page(text: str) -> Element:
    """Parse a page; an element that is not closed where it must be is an error."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader._open is not reader.root:
        raise ValueError(f"<{reader._open.tag}> is never closed")
    return reader.root


def rows_of(table: Element) -> list[Element]:
    """Rows of a table's body."""
    return table.one("tbody").all("tr")
