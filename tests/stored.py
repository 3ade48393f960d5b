"""One stored chain where a test looks at one underlying; production loads many at once."""

from datetime import datetime, timedelta

from market.chain import Chain
from market.errors import OptionsError
from market.services.load import MOST_AGE, load_chains


def load_chain(symbol: str, *, as_of: datetime, most_age: timedelta | None = MOST_AGE) -> Chain:
    """The newest chain of one underlying not later than `as_of`; raises StaleQuote, UnknownInstrument or BadChain."""
    outcome = load_chains([symbol], as_of=as_of, most_age=most_age)[symbol]
    if isinstance(outcome, OptionsError):
        raise outcome
    return outcome
