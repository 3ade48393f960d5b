"""Random numbers that depend on their name only: not on process, platform hash or the order of calls."""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


def key_of(*parts: object) -> int:
    """Return a 64-bit key of a name made of parts."""
    return int.from_bytes(sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


def stream(*parts: object) -> np.random.Generator:
    """Return the generator that belongs to a name."""
    return np.random.Generator(np.random.PCG64(key_of(*parts)))


def uniforms(key: int, counters: Counts) -> Floats:
    """Return one number in [0, 1) per counter, each independent of the other counters asked for.

    Source: the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014), used as a counter-based generator.
    """
    state = np.uint64(key) + counters.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = state ^ (state >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
