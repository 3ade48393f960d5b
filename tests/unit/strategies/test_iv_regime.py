"""Where implied volatility stands: by its percentile, else by its ratio to the realised one."""

import pytest

from market.errors import Reason
from strategies.observe import iv_regime

SHORT = Reason("INSUFFICIENT_HISTORY", "Too short.")


@pytest.mark.parametrize(
    ("percentile", "regime"), [(0.0, "low"), (0.33, "low"), (0.34, "normal"), (0.66, "normal"), (0.67, "high")]
)
def test_the_percentile_decides_where_it_is_known(percentile, regime):
    assert iv_regime(percentile, implied=0.9, realised=0.1) == regime


@pytest.mark.parametrize(("implied", "regime"), [(0.20, "low"), (0.2159, "low"), (0.22, "normal"), (0.26, "high")])
def test_the_ratio_decides_where_the_history_is_too_short(implied, regime):
    assert iv_regime(SHORT, implied=implied, realised=0.20) == regime


@pytest.mark.parametrize("realised", [None, 0.0])
def test_without_either_it_is_not_known(realised):
    found = iv_regime(SHORT, implied=0.2, realised=realised)

    assert isinstance(found, Reason)
    assert found.code == "NO_IV_REGIME"
