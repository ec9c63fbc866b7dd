"""The settings file with its comments: what ``init`` writes, and what the reference page shows.

The packaged ``data/afterclose.toml`` is the one place where settings are explained to a person. A
line ``#port = 7497`` shows a default, the comment lines above it say what it means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from importlib import resources
from pathlib import Path

_SECTION = re.compile(r"^\[\[?([a-z_]+)\]\]?$")
_ENTRY = re.compile(r"^#?([a-z][a-z0-9_]*) = (.*)$")
_MODELS = "models"

#: What a settings file can hold of one key.
Value = str | int | float | bool | Decimal | Path | date | Enum | Sequence[str] | Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as the file explains it; ``shown`` is the TOML of its example or default."""

    section: str
    key: str
    shown: str
    words: str


@dataclass(frozen=True, slots=True)
class Commented:
    """The file in parts: the words of each section, and its entries in order."""

    sections: Mapping[str, str]
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class _Reading:
    section: str = ""
    words: list[str] = field(default_factory=list)
    last_words: str = ""


def commented_text() -> str:
    """Return the packaged settings file."""
    return (
        resources.files("afterclose").joinpath("data/afterclose.toml").read_text(encoding="utf-8")
    )


def read_commented(text: str) -> Commented:
    """Read a settings file's explanations. Keys of one comment share its words."""
    sections: dict[str, str] = {}
    entries: list[Entry] = []
    at = _Reading()
    for line in text.splitlines():
        header, entry = _SECTION.match(line), _ENTRY.match(line)
        if header:
            at.section = header[1]
            sections[at.section] = " ".join(at.words)
            at.words, at.last_words = [], ""
        elif entry:
            at.last_words = " ".join(at.words) or at.last_words
            entries.append(Entry(at.section, entry[1], entry[2], at.last_words))
            at.words = []
        elif line.startswith("# "):
            at.words.append(line[2:])
        elif not line.strip():
            at.words = []
    return Commented(sections=sections, entries=tuple(entries))


def filled(values: Mapping[str, Mapping[str, Value]], models: Sequence[Mapping[str, Value]]) -> str:
    """Write the settings file with these values set and all else as commented defaults.

    ``values`` is by section ("" for the keys above all sections). Raises KeyError for a key that
    the file does not explain.
    """
    lines = commented_text().splitlines()
    begin, end = _block(lines, _MODELS)
    parts = [
        *_set(lines[:begin], values),
        *(line for model in models for line in (*_set(lines[begin:end], {_MODELS: model}), "")),
        *_set(lines[end:], values),
    ]
    _require_all(values, models)
    return "\n".join(parts).rstrip() + "\n"


def _block(lines: Sequence[str], section: str) -> tuple[int, int]:
    """Find a section with the comment above it."""
    header = lines.index(f"[[{section}]]")
    begin = header
    while begin and lines[begin - 1].startswith("# "):
        begin -= 1
    end = next((n for n in range(header + 1, len(lines)) if _SECTION.match(lines[n])), len(lines))
    while end < len(lines) and lines[end - 1].startswith("# "):
        end -= 1
    return begin, end


def _set(lines: Iterable[str], values: Mapping[str, Mapping[str, Value]]) -> list[str]:
    section, out = "", list[str]()
    for line in lines:
        header, entry = _SECTION.match(line), _ENTRY.match(line)
        if header:
            section = header[1]
        chosen = values.get(section, {})
        if entry and entry[1] in chosen:
            out.append(f"{entry[1]} = {toml(chosen[entry[1]])}")
        else:
            out.append(line)
    while out and not out[-1]:
        out.pop()
    return [*out, ""]


def _require_all(
    values: Mapping[str, Mapping[str, Value]], models: Sequence[Mapping[str, Value]]
) -> None:
    known = {(e.section, e.key) for e in read_commented(commented_text()).entries}
    wanted = {(section, key) for section, chosen in values.items() for key in chosen}
    wanted |= {(_MODELS, key) for model in models for key in model}
    if unknown := sorted(wanted - known):
        raise KeyError(f"the settings file does not explain {unknown}")


def toml(value: Value) -> str:
    """Write a value as TOML."""
    match value:
        case Enum():
            text = json.dumps(value.value)
        case bool():
            text = str(value).lower()
        case Decimal():
            text = f"{value:f}"
        case int() | float():
            text = repr(value)
        case Path():
            text = json.dumps(value.as_posix(), ensure_ascii=False)
        case date():
            text = json.dumps(value.isoformat())
        case str():
            text = json.dumps(value, ensure_ascii=False)
        case Mapping():
            inner = ", ".join(f"{key} = {toml(each)}" for key, each in value.items())
            text = f"{{ {inner} }}" if inner else "{}"
        case _:
            text = f"[{', '.join(toml(each) for each in value)}]"
    return text
