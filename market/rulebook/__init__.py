"""Dated facts of the Indian F&O market; every lookup takes the day asked for and raises where it knows nothing."""

from market.rulebook.charges import (
    ChargeRates,
    Charges,
    equity_charges,
    exercise_stt,
    option_charge_rates,
    option_charges,
    round_trip_charges,
)
from market.rulebook.days import covered_years
from market.rulebook.expiries import ExpiryRule, expiry_rule
from market.rulebook.lots import lot_size
from market.rulebook.margins import MarginRates, margin_rates
from market.rulebook.orders import (
    freeze_quantity,
    freeze_quantity_at_level,
    option_tick,
    price_protection_band,
    strike_step,
)

__all__ = [
    "ChargeRates",
    "Charges",
    "ExpiryRule",
    "MarginRates",
    "covered_years",
    "equity_charges",
    "exercise_stt",
    "expiry_rule",
    "freeze_quantity",
    "freeze_quantity_at_level",
    "lot_size",
    "margin_rates",
    "option_charge_rates",
    "option_charges",
    "option_tick",
    "price_protection_band",
    "round_trip_charges",
    "strike_step",
]
