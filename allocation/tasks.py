"""Celery's part in allocation."""

from celery import shared_task

from allocation.models import Account
from allocation.services import allocate_portfolio
from market.moment import now
from market.tasks import on_session_days


@shared_task
@on_session_days
def allocate(account_id: int) -> None:
    """Propose today's portfolio for one account; the account decides whether that marks."""
    allocate_portfolio(Account.objects.get(pk=account_id), as_of=now())


@shared_task
@on_session_days
def allocate_all() -> None:
    """Ring once per active account."""
    for pk in Account.objects.filter(active=True).values_list("pk", flat=True):
        allocate.delay(pk)
