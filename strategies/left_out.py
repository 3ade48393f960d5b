"""Why a structure is not among a symbol's recommendations: a sentence and a remedy for every code that is stored."""

from collections.abc import Mapping
from types import MappingProxyType

from market.errors import Reason
from strategies.liquidity import REMEDIES
from strategies.score import REASONS

# Of one symbol at one moment each says more (which strike, which expiry); here it is said of structures in general.
_BUILDING = (
    Reason(
        "NO_EXPIRY_IN_WINDOW",
        "No listed expiry is as many days away as the structure asks for.",
        "Capture the chain of another expiry.",
    ),
    Reason(
        "NOT_ENOUGH_EXPIRIES",
        "The structure needs more expiries than the chain has.",
        "Capture the chain of a later expiry.",
    ),
    Reason("LOTS_DIFFER", "The expiries have different lots, so the legs cannot match.", "Wait for the next expiry."),
    Reason("NOT_DELIVERABLE", "An index has no share to hold.", "Use it on a stock."),
    Reason(
        "NO_USABLE_STRIKE",
        "No strike near where a leg belongs has a quote that can be traded.",
        "Wait for a fuller chain or choose a more liquid underlying.",
    ),
    Reason("NO_BID", "Nobody bids for what a leg would sell.", "Wait for a two-sided market."),
    Reason("TOO_THIN", "Every strike near a leg has too little open interest.", REMEDIES["TOO_THIN"]),
    Reason("TOO_WIDE", "Every strike near a leg has too wide a spread.", REMEDIES["TOO_WIDE"]),
    Reason("TOO_CHEAP", "Every strike near a leg costs too few ticks.", REMEDIES["TOO_CHEAP"]),
    Reason(
        "STRIKES_COLLAPSE",
        "The tradable strikes do not keep the order that the structure needs.",
        "Wait for a fuller chain: the listed strikes are too coarse or too few are tradable.",
    ),
    Reason(
        "WRONG_CREDIT_SIGN",
        "At these prices it opens for a debit where it promises a credit, or the other way round.",
        "Wait for a narrower spread, or capture the chain again.",
    ),
    Reason("LOSS_ABOVE", "The credit leaves a loss on a rise, where it promises none.", "Wait for richer premiums."),
    Reason("LOSS_BELOW", "The credit leaves a loss on a fall, where it promises none.", "Wait for richer premiums."),
    Reason("NO_CHOICE", "No choice of strikes makes this structure.", "Wait for a fuller chain."),
    Reason("NO_PROFIT_TO_TARGET", "No outcome makes money, so there is no profit target.", "Never trade this."),
    Reason("BAD_EXIT_LEVEL", "A level at which to leave came out as no amount.", "Report it with the log."),
    Reason("NO_STRUCTURES", "No structure was asked for.", "Generate with the whole catalogue."),
)

LEFT_OUT: Mapping[str, Reason] = MappingProxyType({**REASONS, **{reason.code: reason for reason in _BUILDING}})


def why_left_out(code: str) -> Reason:
    """Return the sentence and the remedy of a stored code; of a code nobody lists, that it is a fault of ours.

    A calculation that refuses its input stores a code of its own, and rows of earlier versions keep theirs.
    """
    unlisted = Reason(code, "A calculation refused the chain.", "Look at the quotes of the chain; report the code.")
    return LEFT_OUT.get(code, unlisted)
