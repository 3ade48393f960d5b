"""The access token outlives the session, or a person knows before it matters."""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from allocation.models import Account
from execution.errors import AuthExpired, BrokerError, RateLimited
from execution.models import AlertLevel
from execution.services.access import current_credential, refresh_token
from execution.services.alerts import raise_alert
from execution.services.checks import limits_for
from market.calendar import IST, session_on
from market.errors import Reason

logger = logging.getLogger(__name__)

CODE = "TOKEN_ENDS"
SET_ONE = "Run: manage.py dhan_token refresh, or: manage.py dhan_token set."


def watch_token(*, now: datetime) -> bool:
    """Fetch a new token when the one in use ends before today's session is over; True when one was fetched.

    Without the means to fetch one, or when that fails, every live account gets an alert. Paper needs no token.
    """
    accounts = list(Account.objects.filter(active=True, mode=Account.Mode.LIVE))
    session = session_on(now.astimezone(IST).date())
    if not accounts or session is None or now > session.closes:
        return False
    spare = max(limits_for(account).token_minutes for account in accounts)
    problem = _ends_before(max(now, session.closes) + timedelta(minutes=spare))
    if problem is None or _refreshed(now):
        return problem is not None
    for account in accounts:
        raise_alert(account, AlertLevel.WARNING, problem.code, problem.sentence, problem.remedy)
    return False


def _ends_before(needed: datetime) -> Reason | None:
    try:
        expires = current_credential().expires_at
    except (AuthExpired, BrokerError) as error:
        return Reason(CODE, error.reason.sentence, error.reason.remedy or SET_ONE)
    if expires is not None and expires >= needed:
        return None
    until = "an unknown moment" if expires is None else f"{expires.astimezone(IST):%d %b %H:%M} IST"
    sentence = f"The access token lives until {until}; today it is needed until {needed.astimezone(IST):%H:%M} IST."
    return Reason(CODE, sentence, SET_ONE)


def _refreshed(now: datetime) -> bool:
    if not (settings.DHAN_PIN and settings.DHAN_TOTP_SECRET):
        return False
    try:
        row = refresh_token(now=now)
    except RateLimited as error:
        logger.info("the token was not refreshed: %s", error.reason)
        return False
    except BrokerError as error:
        logger.error("the token was not refreshed: %s", error.reason)  # noqa: TRY400 - the reason says it all
        return False
    logger.info("the token was refreshed: %s", row)
    return True
