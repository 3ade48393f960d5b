"""Tells the database who is acting, so that history names a person."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from market.actor import acting


class ActorMiddleware:
    """Stamps the signed-in user's name on every row the request changes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request as its user; reads cost nothing extra."""
        if request.method in ("GET", "HEAD", "OPTIONS") or not request.user.is_authenticated:
            return self.get_response(request)
        with acting(request.user.get_username()):
            return self.get_response(request)
