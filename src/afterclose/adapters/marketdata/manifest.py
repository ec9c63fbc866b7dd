"""The one small file that says what the store is: which immutable files make up its present state.

Every change writes new files first and then replaces ``manifest.json`` in one step, so a reader
(or a machine that lost power) finds the old state or the new one, never something between.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from afterclose.errors import DataError, StoreCorrupt

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
_REPLACE_ATTEMPTS = 50
_REPLACE_PAUSE_SECONDS = 0.02

Result = TypeVar("Result")


class LayerKind(StrEnum):
    """How a file relates to the files listed before it."""

    BASE = "base"  # everything up to here, for every key
    APPEND = "append"  # later rows of the keys it names
    REPLACE = "replace"  # all rows of the keys it names, superseding what came before


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One immutable file of the store. ``size_bytes`` and ``sha256`` prove it complete."""

    file: str
    kind: LayerKind
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The state of a store. Digest sums are hexadecimal, 64 bits; see ``digest.py``."""

    generation: int = 0
    source: str = ""
    last_session: str = ""
    bars: tuple[Layer, ...] = ()
    fx: tuple[Layer, ...] = ()
    contracts: tuple[Layer, ...] = ()
    revisions: tuple[Layer, ...] = ()
    session_digests: tuple[Layer, ...] = ()
    recent_digests: Mapping[str, str] = field(default_factory=dict)
    history_digest: str = f"{0:016x}"
    contracts_digest: str = f"{0:016x}"

    @property
    def last_date(self) -> date | None:
        """The latest session any bar belongs to; None without bars."""
        return date.fromisoformat(self.last_session) if self.last_session else None

    def layers(self) -> Iterable[Layer]:
        """Every file that belongs to this state."""
        for group in (self.bars, self.fx, self.contracts, self.revisions, self.session_digests):
            yield from group

    def with_changes(self, **changes: Any) -> Self:  # a field name and its value, as in replace()
        """The same state with some fields changed."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps({"format": FORMAT_VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it. Raises StoreCorrupt, or DataError for another format."""
        try:
            values = json.loads(text)
            version = values.pop("format")
            if version != FORMAT_VERSION:
                raise DataError(
                    f"the market store has format {version}; this version reads {FORMAT_VERSION}",
                    hint="update afterclose, or load the data into a new store",
                )
            for group in ("bars", "fx", "contracts", "revisions", "session_digests"):
                values[group] = tuple(
                    Layer(**{**layer, "kind": LayerKind(layer["kind"])}) for layer in values[group]
                )
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreCorrupt(
                f"the manifest of the market store cannot be read: {error}"
            ) from error


def read_manifest(folder: Path) -> Manifest | None:
    """The present state, or None where no store has been written yet."""
    try:
        text = _patiently(lambda: (folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Manifest.from_json(text)


def replace_manifest(folder: Path, manifest: Manifest) -> None:
    """Make ``manifest`` the state of the store: durable first, then visible, in one step."""
    target = folder / MANIFEST_NAME
    draft = folder / f"{MANIFEST_NAME}.draft"
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(manifest.to_json())
        file.flush()
        os.fsync(file.fileno())
    _patiently(lambda: draft.replace(target))
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where the system has a way to ask for it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _patiently(action: Callable[[], Result]) -> Result:
    """Windows refuses to replace a file that another process has open, if only for a moment."""
    for _ in range(_REPLACE_ATTEMPTS):
        try:
            return action()
        except PermissionError:
            time.sleep(_REPLACE_PAUSE_SECONDS)
    return action()
