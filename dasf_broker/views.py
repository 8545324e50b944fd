"""Pages about one topic: is it online, and ping it. For monitoring, and for links in other pages.

Whoever may not see a topic is answered as if there were none.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from dasf_broker.auth import identify
from dasf_broker.auth.client_address import address_of_request
from dasf_broker.domain.rates import Activity
from dasf_broker.exceptions import (
    BadInputError,
    BrokerError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.heartbeat import ping
from dasf_broker.operations.rate_limits import admit_now

_STATUS: dict[type[BrokerError], int] = {
    BadInputError: 404,  # what cannot be a slug cannot be a topic
    NotFoundError: 404,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    RateLimitedError: 429,
}


class HttpResponseServiceUnavailable(HttpResponse):
    """The topic is offline, or it is not known whether it is online."""

    status_code = 503


class _TopicView(View):
    """A view of one topic that answers the broker's errors with their HTTP status."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer the request; no answer is ever stored by a cache."""
        try:
            response = super().dispatch(request, *args, **kwargs)
        except tuple(_STATUS) as error:
            response = JsonResponse(error.extensions | {"message": str(error)})
            response.status_code = _STATUS[type(error)]
            if isinstance(error, RateLimitedError):
                response["Retry-After"] = str(error.retry_after)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response

    def caller(self) -> Caller:
        """Return who is calling, by token or session."""
        user = getattr(self.request, "user", None)
        authorization = self.request.headers.get("authorization")
        return identify(authorization, user, address=address_of_request(self.request)).caller


class BrokerTopicStatusView(_TopicView):
    """Tell by the HTTP status whether a topic is online.

    200 online · 503 offline or not known · 400 the topic does not support pings · 404 there is no
    such topic that the caller may see.
    """

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG002
        """Return the status, with the facts behind it."""
        topic = access(self.caller(), slug).topic
        if not topic.supports_dasf:
            return JsonResponse(_facts(topic), status=400)
        facts = json.dumps(_facts(topic), cls=DjangoJSONEncoder)
        kind = HttpResponse if topic.availability else HttpResponseServiceUnavailable
        return kind(facts, content_type="application/json")


# A link can ping as well, so that a check of forms would keep out nobody but scripts with a token.
@method_decorator(csrf_exempt, name="dispatch")
class BrokerTopicPingView(_TopicView):
    """Ping a topic and go on to its status. For who may publish to it."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG002
        """Ping the topic."""
        caller = self.caller()
        admit_now(caller, Activity.PING)
        ping(caller, slug)
        return HttpResponseRedirect(reverse("dasf_broker:brokertopic-status", args=[slug]))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Ping the topic."""
        return self.get(request, slug)


def _facts(topic: BrokerTopic) -> dict[str, Any]:
    words = {True: "online", False: "offline", None: "unknown"}
    return {
        "topic": topic.slug,
        "status": words[topic.availability],
        "lastPing": topic.last_ping,
        "lastPong": topic.last_pong,
        "roundTripTime": topic.round_trip_time,
    }
