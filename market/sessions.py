"""The past of an underlying as numbers: returns and variances of its closed sessions. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_SESSIONS = 22  # a month: the longest window of the forecast


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Log returns from close to close, and the annual variance of each session, oldest first; shape (sessions,)."""

    returns: NDArray[np.float64]
    variances: NDArray[np.float64]
