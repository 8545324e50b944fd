"""Views of one topic: its status, and a ping. For monitoring, and for links in other pages.

A topic that the caller may not see is answered like a topic that does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from dasf_broker import clock, database
from dasf_broker.answers import answer_to
from dasf_broker.auth import identify_request
from dasf_broker.exceptions import BadInputError, BrokerError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.access import access
from dasf_broker.operations.writer import ping


class HttpResponseServiceUnavailable(HttpResponse):
    """The answer for a topic that is offline or of unknown availability."""

    status_code = 503


class _TopicView(View):
    """A view of one topic that answers the broker's errors with their HTTP status."""

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Return the view function, without a transaction of the request."""
        return database.non_atomic_requests(super().as_view(**options))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer the request, whose handlers are asynchronous."""
        answering: Any = super().dispatch(request, *args, **kwargs)
        return self._finish(answering)

    async def _finish(self, answering: Awaitable[HttpResponse]) -> HttpResponse:
        try:
            response = await answering
        except BrokerError as error:
            response = _refusal(error)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response


class BrokerTopicStatusView(_TopicView):
    """Answer with an HTTP status that tells whether a topic is online.

    200 online · 503 offline or unknown · 400 the topic does not support pings · 404 the topic does
    not exist, or the caller may not see it.
    """

    async def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Return the status, with the times of the last ping and pong."""
        identity = await identify_request(request)
        topic = (await database.read(access, identity.caller, slug)).topic
        if not topic.supports_dasf:
            return JsonResponse(_status(topic), status=HTTPStatus.BAD_REQUEST)
        body = json.dumps(_status(topic), cls=DjangoJSONEncoder)
        kind = HttpResponse if topic.availability else HttpResponseServiceUnavailable
        return kind(body, content_type="application/json")


class BrokerTopicPingView(_TopicView):
    """Ping a topic and redirect to its status. For callers who may publish to it."""

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Return the view function, without a CSRF check."""
        # A link can ping as well, so a check would only refuse scripts with a token.
        return csrf_exempt(super().as_view(**options))

    async def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Ping the topic."""
        identity = await identify_request(request)
        await ping(identity.caller, slug)
        return HttpResponseRedirect(_status_url(request, slug))

    async def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Ping the topic."""
        return await self.get(request, slug)


def _refusal(error: BrokerError) -> HttpResponse:
    answer = answer_to(error)
    # No topic has an invalid slug.
    status = HTTPStatus.NOT_FOUND if isinstance(error, BadInputError) else answer.status
    response = JsonResponse({**answer.extensions, "message": answer.message}, status=status)
    if answer.retry_after is not None:
        response["Retry-After"] = str(answer.retry_after)
    return response


def _status_url(request: HttpRequest, slug: str) -> str:
    # The URLs may be included more than once.
    match = request.resolver_match
    name = match.namespace if match else None
    return reverse("dasf_broker:brokertopic-status", args=[slug], current_app=name)


def _status(topic: BrokerTopic) -> dict[str, Any]:
    words = {True: "online", False: "offline", None: "unknown"}
    return {
        "topic": topic.slug,
        "status": words[topic.availability],
        "lastPing": _shown(topic.last_ping),
        "lastPong": _shown(topic.last_pong),
        "roundTripTime": topic.round_trip_time,
    }


def _shown(time: datetime | None) -> datetime | None:
    return None if time is None else clock.to_show(time)
