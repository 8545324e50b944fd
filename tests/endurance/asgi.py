"""The test project's ASGI application, with ``/vitals`` beside it.

A query of any kind has the process collect its garbage first, which takes a while.
"""

from __future__ import annotations

import json
from typing import Any

from testproject.asgi import application as project
from tests.endurance.vitals import connections, served, vitals, warm_up


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``/vitals`` and ``/warm-up``, and leave the rest to the project."""
    if scope["type"] == "websocket":
        connections.add(send.__self__)
        served.add(send.__self__)
        try:
            await project(scope, receive, send)
        finally:
            served.discard(send.__self__)
        return
    if scope["type"] != "http" or scope["path"] not in {"/vitals", "/warm-up"}:
        await project(scope, receive, send)
        return
    if scope["path"] == "/warm-up":
        await warm_up()
    body = json.dumps(await vitals(collected=bool(scope["query_string"]))).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
