"""Fingerprints that add up: the digest of a history is the sum of the digests of its rows.

A sum does not depend on the order of the rows or on how files are cut, so a store that grew session
by session has the fingerprint of one written at once; and one more session costs only its own rows.
It is a check against accident and revision, not against an adversary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from afterclose.adapters.marketdata.records import FloatArray, SessionArray

HashArray = NDArray[np.uint64]

MODULUS = 1 << 64
_BLOCK_ROWS = 1 << 15  # a block of columns stays in the processor's cache
# Odd constants of splitmix64 (Steele, Lea, Flood 2014).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_SHIFT_FAST = np.uint64(32)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_NAN_BITS = np.uint64(0x7FF8000000000000)


def key_hash(text: str) -> int:
    """64 bits of BLAKE2 of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def row_hashes(
    keys: Sequence[str],
    codes: NDArray[np.int32],
    sessions: SessionArray,
    columns: Sequence[FloatArray],
) -> HashArray:
    """One 64-bit hash per row of (key, session, values). All NaNs are one NaN."""
    key_hashes = np.array([key_hash(key) for key in keys], dtype=np.uint64)
    out = np.empty(len(codes), dtype=np.uint64)
    for start in range(0, len(codes), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        hashes = key_hashes[codes[part]]
        days = sessions[part].astype("datetime64[D]").astype(np.int64).view(np.uint64)
        hashes ^= days * _GAMMA
        for column in columns:
            _absorb(hashes, column[part])
        out[part] = _finished(hashes)
    return out


def _absorb(hashes: HashArray, values: FloatArray) -> None:
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
    unknown = np.isnan(values)
    if unknown.any():
        bits = np.where(unknown, _NAN_BITS, bits)
    hashes ^= hashes >> _SHIFT_FAST
    hashes += bits
    hashes *= _GAMMA


def _finished(hashes: HashArray) -> HashArray:
    hashes ^= hashes >> _SHIFTS[0]
    hashes *= _MIX_A
    hashes ^= hashes >> _SHIFTS[1]
    hashes *= _MIX_B
    hashes ^= hashes >> _SHIFTS[2]
    return hashes


def total(hashes: HashArray) -> int:
    """The sum of hashes, modulo 2**64."""
    return int(hashes.sum(dtype=np.uint64))


def totals_by_session(sessions: SessionArray, hashes: HashArray) -> dict[int, int]:
    """Sum of hashes for each day number (days since 1970-01-01) that occurs."""
    if not len(hashes):
        return {}
    days = sessions.astype("datetime64[D]").astype(np.int64)
    first = int(days.min())
    # Halves of 32 bits: a float64 adds a million of them without losing a bit.
    low = np.bincount(days - first, weights=(hashes & np.uint64(0xFFFFFFFF)).astype(np.float64))
    high = np.bincount(days - first, weights=(hashes >> _SHIFT_FAST).astype(np.float64))
    return {
        first + int(at): (int(low[at]) + (int(high[at]) << 32)) % MODULUS
        for at in np.flatnonzero(low + high)
    }
