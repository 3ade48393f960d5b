"""`/healthz`: whether this process can do its work, for supervisors and load balancers."""

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError


def healthz(request: HttpRequest) -> JsonResponse:
    """200 when database, migrations and Redis are well, else 503 naming what is not."""
    problems = {name: text for name, check in CHECKS.items() if (text := check())}
    body = {"status": "ok" if not problems else "unavailable", "problems": problems}
    return JsonResponse(body, status=200 if not problems else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return type(error).__name__
    return f"{len(plan)} migrations are pending" if plan else ""


def _redis() -> str:
    try:
        cache.set("healthz", 1, 5)
    except (RedisError, OSError) as error:
        return type(error).__name__
    return ""


CHECKS = {"database": _database, "redis": _redis}
