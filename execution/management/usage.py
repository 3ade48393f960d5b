"""Words that name nothing: wrong usage, said before anything is read or done."""

from django.conf import settings
from django.core.management.base import CommandError

from allocation.models import Account
from market.console import USAGE


def require_known_broker() -> None:
    """Refuse a BROKER that no adapter stands for."""
    if settings.BROKER not in settings.BROKERS:
        known = ", ".join(sorted(settings.BROKERS))
        sentence = f"No broker '{settings.BROKER}' is configured. Set BROKER to one of: {known}. [UNKNOWN_BROKER]"
        raise CommandError(sentence, returncode=USAGE)


def no_account(name: str) -> CommandError:
    """What to raise where an account does not exist, with those that do."""
    known = ", ".join(Account.objects.order_by("name").values_list("name", flat=True))
    remedy = f"Accounts: {known}." if known else "None exists yet: a superuser adds one in the admin."
    return CommandError(f"There is no account {name}. {remedy} [NO_ACCOUNT]", returncode=USAGE)
