"""What a broker can answer, named by what the caller should do."""

from market.errors import OptionsError


class BrokerError(OptionsError):
    """The broker did not do what was asked."""


class NotSent(BrokerError):
    """Provably nothing left this machine: retryable."""


class RateLimited(BrokerError):
    """Refused for pace: retryable, after a pause."""


class AuthExpired(BrokerError):
    """The token is dead: an operator or the token refresh must act."""


class OrderRefused(BrokerError):
    """Final: the broker said no, with its code and text."""


class OutcomeUnknown(BrokerError):
    """Neither accepted nor refused: ask the broker, never resend."""


class ReadFailed(BrokerError):
    """A question to the broker has no usable answer: this is no evidence of anything, ask again."""


class ExecutionDenied(OptionsError):
    """A safety rule denied the run before anything was sent."""


class NotYet(ExecutionDenied):
    """Denied for what passes by itself within a minute: ask again before giving up."""


class LostRace(ExecutionDenied):
    """Somebody else changed the row first: read it anew."""


class Fenced(ExecutionDenied):
    """We do not lead any more: stop, whatever was about to be done."""
