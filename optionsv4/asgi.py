"""The web process: pages, admin and REST over HTTP, order updates over WebSocket."""

import os
from pathlib import Path

from optionsv4.bootstrap import bootstrap

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
bootstrap(Path(__file__).resolve().parent.parent)

from django.core.asgi import get_asgi_application  # noqa: E402

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from execution.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
