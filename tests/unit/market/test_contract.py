"""A contract by its terms alone."""

from datetime import date

import pytest

from market.contract import Contract, OptionType


@pytest.mark.parametrize(
    ("contract", "worth"),
    [
        (Contract("INFY"), 90.0),
        (Contract("INFY", date(2026, 1, 27), 100.0, OptionType.CALL), 0.0),
        (Contract("INFY", date(2026, 1, 27), 80.0, OptionType.CALL), 10.0),
        (Contract("INFY", date(2026, 1, 27), 100.0, OptionType.PUT), 10.0),
        (Contract("INFY", date(2026, 1, 27), 80.0, OptionType.PUT), 0.0),
    ],
)
def test_what_a_contract_is_worth_at_expiry(contract: Contract, worth: float) -> None:
    assert contract.worth_at_expiry(90.0) == worth
