"""How a price is written for people. Pure."""

from decimal import Decimal

PAISA = Decimal("0.01")


def price_text(price: Decimal | None) -> str | None:
    """Rupees with two decimals, more only where the price is no multiple of a paisa; None stays None."""
    if price is None:
        return None
    return f"{price.normalize():f}" if price % PAISA else f"{price:.2f}"
