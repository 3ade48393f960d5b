import math

import numpy as np
import pytest

from market.errors import InvalidInput
from market.quant.volatility import garman_klass, realised_volatility


def test_realised_volatility_is_the_sample_deviation_of_log_returns():
    closes = 100.0 * np.exp(np.cumsum([0.0, 0.01, -0.01, 0.01, -0.01]))

    found = realised_volatility(closes, periods_per_year=252)

    assert float(found) == pytest.approx(math.sqrt(4 * 0.01**2 / 3) * math.sqrt(252), rel=1e-12)


def test_realised_volatility_recovers_a_planted_one():
    random = np.random.default_rng(7)
    closes = 100.0 * np.exp(np.cumsum(0.2 / math.sqrt(252) * random.normal(size=(2, 20_000)), axis=-1))

    found = realised_volatility(closes)

    assert found.shape == (2,)
    assert found == pytest.approx([0.2, 0.2], rel=0.02)


def test_garman_klass_by_hand():
    found = garman_klass(opens=[100.0], highs=[104.0], lows=[98.0], closes=[101.0], periods_per_year=252)

    variance = 0.5 * math.log(104 / 98) ** 2 - (2 * math.log(2) - 1) * math.log(1.01) ** 2
    assert float(found) == pytest.approx(math.sqrt(252 * variance), rel=1e-12)


def test_garman_klass_recovers_a_planted_volatility():
    random = np.random.default_rng(7)
    path = 0.2 / math.sqrt(252 * 1000) * np.cumsum(random.normal(size=(1500, 1000)), axis=1)
    path = 100.0 * np.exp(np.hstack([np.zeros((1500, 1)), path]))

    found = garman_klass(opens=path[:, 0], highs=path.max(1), lows=path.min(1), closes=path[:, -1])

    assert float(found) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("closes", [[100.0, 101.0], [100.0, 0.0, 1.0], [100.0, math.nan, 1.0], 5.0, [1.0, 2.0, -3.0]])
def test_realised_volatility_refuses_what_it_cannot_use(closes):
    with pytest.raises(InvalidInput):
        realised_volatility(closes)


@pytest.mark.parametrize("change", [{"highs": [99.0]}, {"lows": [100.5]}, {"closes": [math.inf]}, {"opens": []}])
def test_garman_klass_refuses_bars_that_contradict_themselves(change):
    good = {"opens": [100.0], "highs": [104.0], "lows": [98.0], "closes": [101.0]}

    with pytest.raises(InvalidInput):
        garman_klass(**good | change)
