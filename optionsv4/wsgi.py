"""WSGI entry for tools that only speak it; the product itself runs on ASGI."""

import os
from pathlib import Path

from optionsv4.bootstrap import bootstrap

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
bootstrap(Path(__file__).resolve().parent.parent)

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
