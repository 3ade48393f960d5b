"""Every setting, and the only place that reads the environment.

Names and defaults stand in `.env.example`; a test compares the two.
"""

import os
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent

if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(BASE_DIR / ".env")


class Environment(environ.FileAwareEnv):
    """An empty value means the default, so that a copied `.env.example` changes nothing."""

    ENVIRON = FileAwareMapping(env={name: value for name, value in os.environ.items() if value})


env = Environment()

# Servers. Without these two, manage.py, asgi and celery start embedded ones before settings are read (bootstrap.py).
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
EMBEDDED_SERVERS = env.bool("OPTIONSV4_EMBEDDED", default=False)
STATE_DIR = Path(env.str("OPTIONSV4_STATE_DIR", default=str(BASE_DIR / "var")))

# Convenience errors and pages only while the servers are our own: a real DATABASE_URL turns DEBUG off by default.
DEBUG = env.bool("DEBUG", default=EMBEDDED_SERVERS or not DATABASE_URL)
SECRET_KEY = env.str("SECRET_KEY", default="development-only-" + "x" * 40 if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is empty. Put a long random string into .env or SECRET_KEY_FILE.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# What this installation trades with, and from what.
BROKER = env.str("BROKER", default="paper")
TRADING_MODE = env.str("TRADING_MODE", default="paper")
MARKET_SOURCE = env.str("MARKET_SOURCE", default="recorded")
# The account of the trading mode to trade on; empty means the first active one.
ACCOUNT = env.str("ACCOUNT", default="")
# Practise at another time of day: every process lives so many seconds later (or earlier).
CLOCK_SHIFT_SECONDS = env.int("CLOCK_SHIFT_SECONDS", default=0)
if CLOCK_SHIFT_SECONDS and TRADING_MODE == "live":
    raise ImproperlyConfigured("CLOCK_SHIFT_SECONDS is for practice: TRADING_MODE=live keeps the real time.")
SIMULATION_SEED = env.int("SIMULATION_SEED", default=1)
PAPER_CAPITAL = env.int("PAPER_CAPITAL", default=10_000_000)
DHAN_CLIENT_ID = env.str("DHAN_CLIENT_ID", default="")
DHAN_ACCESS_TOKEN = env.str("DHAN_ACCESS_TOKEN", default="")
DHAN_PIN = env.str("DHAN_PIN", default="")
DHAN_TOTP_SECRET = env.str("DHAN_TOTP_SECRET", default="")
# Fernet keys for tokens in the database: the first encrypts, all decrypt.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])
DHAN_BASE_URL = env.str("DHAN_BASE_URL", default="https://api.dhan.co/v2")
DHAN_AUTH_URL = env.str("DHAN_AUTH_URL", default="https://auth.dhan.co")
DHAN_MASTER_URL = env.str("DHAN_MASTER_URL", default="https://images.dhan.co/api-data/api-scrip-master.csv")
DHAN_MARKET_FEED_URL = env.str("DHAN_MARKET_FEED_URL", default="wss://api-feed.dhan.co")
DHAN_ORDER_UPDATE_URL = env.str("DHAN_ORDER_UPDATE_URL", default="wss://api-order-update.dhan.co")
_DHAN_OWN = {
    "https://api.dhan.co/v2",
    "https://auth.dhan.co",
    "https://images.dhan.co/api-data/api-scrip-master.csv",
    "wss://api-feed.dhan.co",
    "wss://api-order-update.dhan.co",
}
_DHAN_URLS = {DHAN_BASE_URL, DHAN_AUTH_URL, DHAN_MASTER_URL, DHAN_MARKET_FEED_URL, DHAN_ORDER_UPDATE_URL}
if TRADING_MODE == "live" and not _DHAN_URLS <= _DHAN_OWN:
    raise ImproperlyConfigured("TRADING_MODE=live allows nothing but Dhan's own addresses in DHAN_..._URL.")
# Stands in every run, so that a basket tells which code sent it.
CODE_VERSION: str = env.str("CODE_VERSION", default="unversioned")
# Where the head of the audit chain is kept outside the database; better on another disk.
AUDIT_HEAD_FILE = Path(env.str("AUDIT_HEAD_FILE", default="") or STATE_DIR / "audit" / "heads")
LOG_DIR = Path(env.str("LOG_DIR", default=str(BASE_DIR / "logs")))
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")

# Adapters by dotted path: callers ask for the port, never for a class.
BROKERS = {
    "paper": "execution.services.paper_ledger.build_paper_broker",
    "simulator": "execution.services.access.build_simulator_broker",
    "dhan": "execution.services.access.build_dhan_broker",
}
# Who pushes order updates; the others are polled.
ORDER_UPDATES = {
    "simulator": "execution.services.access.build_order_updates",
    "dhan": "execution.services.access.build_order_updates",
}
MARKET_SOURCES = {
    "simulated": "market.sources.simulated.SimulatedMarket",
    "recorded": "market.sources.recorded.RecordedMarket",
}
MARKET_SOURCE_OPTIONS = {"simulated": {"seed": SIMULATION_SEED}}


def redis_url(database: int, *, celery: bool = False) -> str:
    """The Redis address of one logical database, in the form the library expects."""
    base = REDIS_URL or "redis://127.0.0.1:6379"
    if base.startswith("unix://"):
        path = base.removeprefix("unix://").partition("?")[0]
        return f"redis+socket://{path}?virtual_host={database}" if celery else f"unix://{path}?db={database}"
    return f"{base.rstrip('/')}/{database}"


INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_celery_beat",
    "django_htmx",
    "import_export",
    "pgtrigger",
    "pghistory",
    "ninja",
    "optionsv4",
    "market",
    "strategies",
    "allocation",
    "execution",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "pghistory.middleware.HistoryMiddleware",
    "optionsv4.middleware.ActorMiddleware",
]

ROOT_URLCONF = "optionsv4.urls"
ASGI_APPLICATION = "optionsv4.asgi.application"
WSGI_APPLICATION = "optionsv4.wsgi.application"
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = "/"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL or "postgres://postgres@127.0.0.1:5432/optionsv4")}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {"pool": {"min_size": 1, "max_size": 8, "timeout": 3}, "prepare_threshold": 3}  # uses until a plan is kept
)
DATABASES["default"].update({"CONN_HEALTH_CHECKS": True})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

WAKE_URL = redis_url(4)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url(3)}}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis_url(0)]}}
}

CELERY_BROKER_URL = redis_url(1, celery=True)
CELERY_RESULT_BACKEND = redis_url(2, celery=True)
CELERY_TIMEZONE = "Asia/Kolkata"
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
DJANGO_CELERY_BEAT_TZ_AWARE = True

PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en-in"
TIME_ZONE = "Asia/Kolkata"
USE_I18N = False
USE_TZ = True
DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y H:i:s"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# A browser talks plain http only to a loopback development server.
SECURE_SSL_REDIRECT = not DEBUG
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

PGHISTORY_APPEND_ONLY = True
IMPORT_EXPORT_FORMATS = ["import_export.formats.base_formats.CSV"]
UNFOLD = {
    "SITE_TITLE": "Options V4",
    "SITE_HEADER": "Options V4",
    "SITE_URL": "/execution/",
    "STYLES": [lambda request: static("optionsv4/console.css")],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "optionsv4.logs.line_formatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "execution": {
            "class": "optionsv4.logs.LogFile",
            "directory": str(LOG_DIR),
            "name": "options_v4_execution.log",
            "formatter": "line",
        },
        "main": {
            "class": "optionsv4.logs.LogFile",
            "directory": str(LOG_DIR),
            "name": "options_v4_main_{day}.log",
            "formatter": "line",
        },
    },
    "root": {"handlers": ["main"], "level": LOG_LEVEL},
    "loggers": {
        "execution": {"handlers": ["execution"], "level": "INFO"},
        "psycopg.pool": {"handlers": ["console"], "level": "WARNING"},
        "django.request": {"handlers": ["console"], "level": "ERROR"},
        "httpx": {"level": "WARNING"},
    },
}
