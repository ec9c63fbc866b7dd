"""Sums of row hashes per session: the digest of "everything up to that day" costs no reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from afterclose.adapters.marketdata.digest import MODULUS
from afterclose.adapters.marketdata.layers import numbers
from afterclose.adapters.marketdata.manifest import Manifest

_EPOCH = date(1970, 1, 1)


def digest_batch(by_day: Mapping[int, int]) -> Any:  # pyarrow.RecordBatch
    """The rows of a session-digest file: day number → sum."""
    days = sorted(by_day)
    return pa.record_batch(
        {
            "session": pa.array(days, type=pa.int32()).view(pa.date32()),
            "digest": pa.array([by_day[day] for day in days], type=pa.uint64()),
        }
    )


def stored_digests(batches: Iterable[Any], manifest: Manifest) -> dict[int, int]:
    """Sums by day number, of the file and of what was added since."""
    by_day: dict[int, int] = {}
    for batch in batches:
        days = batch.column("session").view(pa.int32()).to_pylist()
        by_day.update(zip(days, batch.column("digest").to_pylist(), strict=True))
    return added(by_day, recent_digests(manifest))


def recent_digests(manifest: Manifest) -> dict[int, int]:
    """Changes since the session-digest file was written, by day number."""
    return {
        (date.fromisoformat(day) - _EPOCH).days: int(digest, 16)
        for day, digest in manifest.recent_digests.items()
    }


def recent_text(by_day: Mapping[int, int]) -> dict[str, str]:
    """The same in the form the manifest keeps."""
    return {
        (_EPOCH + timedelta(days=day)).isoformat(): f"{digest:016x}"
        for day, digest in sorted(by_day.items())
    }


def added(left: Mapping[int, int], right: Mapping[int, int]) -> dict[int, int]:
    """Sums of two histories."""
    result = dict(left)
    for day, digest in right.items():
        result[day] = (result.get(day, 0) + digest) % MODULUS
    return result


def negative(by_day: Mapping[int, int]) -> dict[int, int]:
    """What to add to take rows out again."""
    return {day: -digest % MODULUS for day, digest in by_day.items()}


def digest_through(batches: Iterable[Any], manifest: Manifest, through: date) -> int:
    """The sum over all sessions up to and including ``through``."""
    last = (through - _EPOCH).days
    result = sum(digest for day, digest in recent_digests(manifest).items() if day <= last)
    for batch in batches:
        days = numbers(batch.column("session"), np.int32)
        digests = numbers(batch.column("digest"), np.uint64)
        result += int(digests[days <= last].sum(dtype=np.uint64))
    return result % MODULUS
