"""/healthz tells supervisors the truth."""

import pytest
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db

DEAD = "unix:///nowhere/redis.sock?db=3"


def test_well(client):
    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok", "problems": {}})


def test_fm_C23_pending_migrations_are_a_503(client):
    MigrationRecorder.Migration.objects.filter(app="execution").delete()

    response = client.get("/healthz")

    assert response.status_code == 503
    assert "migrations are pending" in response.json()["problems"]["database"]


def test_a_dead_redis_is_a_503(client, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": DEAD}}

    response = client.get("/healthz")

    assert (response.status_code, response.json()) == (
        503,
        {"status": "unavailable", "problems": {"redis": "ConnectionError"}},
    )


def test_it_answers_on_plain_http_behind_a_balancer(client, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/execution/").status_code == 301
