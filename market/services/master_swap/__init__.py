"""The set-wise half of a master import: stage the bytes, rule on the shapes, compare, swap.

Everything runs in the caller's transaction and works on whole sets; a file of 270,000 rows costs a handful of hash
joins. Python sees the 5,000 shapes and as many strikes, never the rows.
"""

from market.services.master_swap.following import keep_lots, keep_underlyings, link_watchlist
from market.services.master_swap.ruling import count_derivatives, duplicates, listed_shares, rule, shapes
from market.services.master_swap.staging import begin, clear, stage
from market.services.master_swap.swapping import Swap, swap

__all__ = [
    "Swap",
    "begin",
    "clear",
    "count_derivatives",
    "duplicates",
    "keep_lots",
    "keep_underlyings",
    "link_watchlist",
    "listed_shares",
    "rule",
    "shapes",
    "stage",
    "swap",
]
