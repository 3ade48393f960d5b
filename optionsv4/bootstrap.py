"""Give a process its servers before Django reads its settings: the ones in the environment, else embedded ones.

Called by manage.py, asgi.py and celery.py; never by settings, so that `manage.py help`, mypy and editors start nothing.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import django
import environ
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from optionsv4 import embedded

_WITHOUT_DATABASE = {"help", "version", "embedded", "startapp", "startproject", "diffsettings"}
_WITHOUT_DATABASE |= {"collectstatic", "findstatic", "compilemessages", "makemessages"}
_WITHOUT_DATABASE |= {"spectacular", "export_openapi_schema"}


def bootstrap(base_dir: Path) -> None:
    """Start the embedded server for each of DATABASE_URL and REDIS_URL that is not given, and set it."""
    _read_env_file(base_dir)
    postgres, redis = not _is_given("DATABASE_URL"), not _is_given("REDIS_URL")
    if not (postgres or redis):
        return
    try:
        servers = embedded.start(_state_dir(base_dir), postgres=postgres, redis=redis)
    except embedded.EmbeddedError as error:
        raise SystemExit(str(error)) from error
    if postgres:
        os.environ["DATABASE_URL"] = servers.database_url
    if redis:
        os.environ["REDIS_URL"] = servers.redis_url
    # Child processes inherit the addresses; settings must still know whose they are.
    os.environ["OPTIONSV4_EMBEDDED"] = "1"


def lay_tables() -> None:
    """Migrate the embedded server of a fresh checkout, which is empty; a real server is its owner's to migrate."""
    django.setup()
    if not settings.EMBEDDED_SERVERS or "django_migrations" in connection.introspection.table_names():
        return
    sys.stderr.write("Setting up the database, once ...\n")
    call_command("migrate", verbosity=0)


def needs_database(argv: Sequence[str]) -> bool:
    """Whether this manage.py command line needs a database; `makemigrations` compares with its history."""
    command, options = (argv[1], argv[2:]) if len(argv) > 1 else ("help", ())
    if command.startswith("-") or command in _WITHOUT_DATABASE or {"-h", "--help", "--version"} & set(options):
        return False
    return command != "check" or any(option.startswith("--database") for option in options)


def _state_dir(base_dir: Path) -> Path:
    """Where the embedded servers keep their data: OPTIONSV4_STATE_DIR, else `var` in the project."""
    return Path(os.environ.get("OPTIONSV4_STATE_DIR") or base_dir / "var")


def _is_given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _read_env_file(base_dir: Path) -> None:
    if (base_dir / ".env").is_file():
        environ.Env.read_env(base_dir / ".env")
