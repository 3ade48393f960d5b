"""The REST interface: one NinjaAPI, one router per app, OpenAPI at /api/openapi.json and /api/docs."""

import json
from typing import Any, NoReturn

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.parser import Parser
from ninja.security import django_auth

from execution.api import router as execution_router
from market.errors import OptionsError
from strategies.api import router as strategies_router


class StrictParser(Parser):
    """JSON as the standard has it: without NaN and Infinity."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Read a body; what is no JSON object becomes a 400."""
        body = json.loads(request.body, parse_constant=_no_number)
        if not isinstance(body, dict):
            raise ValueError("the body is not a JSON object")  # noqa: TRY004 - django-ninja turns it into the 400
        return body


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


api = NinjaAPI(
    title="Options V4",
    version="1.0",
    description="Session authentication; every POST carries Django's CSRF token. Money is rupees.",
    auth=django_auth,
    parser=StrictParser(),
    docs_decorator=login_required,
    urls_namespace="api",
)
api.add_router("/option-strategies", strategies_router)
api.add_router("/execution", execution_router)


@api.exception_handler(OptionsError)
def refused(request: HttpRequest, error: OptionsError) -> HttpResponse:
    """A refusal is a 409 with its reason, never a traceback."""
    reason = error.reason
    body = {"code": reason.code, "sentence": reason.sentence, "remedy": reason.remedy}
    return api.create_response(request, body, status=409)
