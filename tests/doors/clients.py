"""One client for each GraphQL door, all with the same interface."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypedDict

import httpx
from django.contrib.auth.models import User
from django.test import AsyncClient

from dasf_broker import database
from dasf_broker.auth import create_token
from testproject.asgi import application
from tests.doors.sockets import ClosedError, connect

Variables = Mapping[str, Any]


class Answer(TypedDict):
    """What came of an operation, server to client."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    #: The door's own word for it: an HTTP status, or the type of a frame.
    status: int | str


class GraphQLClient(ABC):
    """Somebody who sends operations through one of the doors."""

    async def execute(
        self, query: str, variables: Variables | None = None, *, as_: User | str | None = None
    ) -> Answer:
        """Execute a query or a mutation as a user, with a token's key, or anonymously."""
        key = await key_of(as_) if isinstance(as_, User) else as_
        return await self.send({"query": query, "variables": variables}, key)

    async def value(
        self, query: str, variables: Variables | None = None, *, as_: User | str | None = None
    ) -> Any:
        """Return the value of the only root field of an operation that must succeed."""
        answer = await self.execute(query, variables, as_=as_)
        assert not answer["errors"], answer
        assert answer["data"] is not None
        [value] = answer["data"].values()
        return value

    async def refusal(
        self, query: str, variables: Variables | None = None, *, as_: User | str | None = None
    ) -> dict[str, Any]:
        """Return the only error of an operation that must fail."""
        answer = await self.execute(query, variables, as_=as_)
        [error] = answer["errors"]
        return error

    @abstractmethod
    async def send(self, request: Variables, key: str | None) -> Answer:
        """Send a request with the key of a token, or without."""


class HttpClient(GraphQLClient):
    """GraphQL over HTTP, by Django's view."""

    async def send(self, request: Variables, key: str | None) -> Answer:
        """Send a request with the key of a token, or without."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        response = await AsyncClient().post(
            "/graphql/", json.dumps(request), content_type="application/json", headers=headers
        )
        body = response.json()
        return {
            "data": body.get("data"),
            "errors": body.get("errors", []),
            "status": response.status_code,
        }


class DoorClient(GraphQLClient):
    """GraphQL over HTTP, by the door beside Django."""

    async def send(self, request: Variables, key: str | None) -> Answer:
        """Send a request with the key of a token, or without."""
        response = await _post(request, key)
        body = response.json()
        return {
            "data": body.get("data"),
            "errors": body.get("errors", []),
            "status": response.status_code,
        }


class EventStreamClient(GraphQLClient):
    """GraphQL over server-sent events, one stream for each operation."""

    async def send(self, request: Variables, key: str | None) -> Answer:
        """Send a request with the key of a token, or without."""
        response = await _post(request, key, accept=b"text/event-stream")
        if response.status_code != 200:
            return {
                "data": None,
                "errors": response.json()["errors"],
                "status": response.status_code,
            }
        begin, next_, complete, end = response.text.split("\n\n")
        assert (begin, complete, end) == (":", "event: complete\ndata: ", "")
        prefix = "event: next\ndata: "
        assert next_.startswith(prefix)
        body = json.loads(next_.removeprefix(prefix))
        return {"data": body.get("data"), "errors": body.get("errors", []), "status": "next"}


class WebSocketClient(GraphQLClient):
    """GraphQL over websockets, a new one for each operation."""

    async def send(self, request: Variables, key: str | None) -> Answer:
        """Send a request with the key of a token, or without."""
        async with connect(application) as socket:
            try:
                await socket.initialise({"Authorization": f"Bearer {key}"} if key else None)
            except ClosedError as closed:
                if closed.code != 4401:
                    raise
                error = {"message": closed.reason, "extensions": {"code": "UNAUTHENTICATED"}}
                return {"data": None, "errors": [error], "status": closed.code}
            await socket.send({"type": "subscribe", "id": "1", "payload": request})
            frame = await socket.receive()
            if frame["type"] == "error":
                return {"data": None, "errors": frame["payload"], "status": "error"}
            assert frame["type"] == "next", frame
            body = frame["payload"]
            assert await socket.receive() == {"type": "complete", "id": "1"}
            return {"data": body["data"], "errors": body.get("errors", []), "status": "next"}


async def _post(request: Variables, key: str | None, **headers: bytes) -> httpx.Response:
    named = {b"content-type": b"application/json"}
    named |= {name.encode(): value for name, value in headers.items()}
    if key:
        named[b"authorization"] = f"Bearer {key}".encode("latin-1")
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.post("/graphql/", content=json.dumps(request), headers=named)


async def key_of(user: User) -> str:
    """Return the key of a new token of the user."""
    _, key = await database.write(create_token, user)
    return key


def is_refusal(error: Mapping[str, Any], code: str, field: str | None = None) -> bool:
    """Tell whether an error has the code, and names the field or none."""
    extensions = error["extensions"]
    return (extensions["code"], extensions.get("field")) == (code, field)
