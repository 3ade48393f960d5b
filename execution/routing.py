"""WebSocket addresses."""

from django.urls import path

from execution.consumers import OrderUpdates

websocket_urlpatterns = [path("ws/orders/", OrderUpdates.as_asgi())]
