"""A backup is restored under a running server with live subscribers: nothing is silently missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.backups import back_up, restore
from tests.acceptance.clients import (
    DEADLINE,
    MESSAGES,
    GraphQLSocket,
    RefusedError,
    graphql_socket,
    http_client,
)
from tests.acceptance.servers import site

TOPIC = "topic"

_UP_TO = """
mutation ($topic: String!, $cursor: String!) {
  acknowledgeMessages(topic: $topic, upTo: $cursor) { acknowledged }
}
"""
_LIST = """
query ($topic: String!, $cursor: String!) {
  messages(topic: $topic, after: $cursor) { edges { node { text } } }
}
"""


async def test_live_subscribers(tmp_path: Path) -> None:
    """They are told, and old cursors are expired: before the old head is passed, and after that."""
    with site(tmp_path) as made:
        keys = made.prepare(
            {TOPIC: {"store_messages": "store"}}, {"ann": ["can_produce", "can_consume"]}
        )
        with made.server() as server:
            async with (
                http_client(server, keys["ann"]) as http,
                graphql_socket(server, keys["ann"]) as socket,
            ):
                for text in "ab":
                    await http.publish(TOPIC, text)
                backup = await asyncio.to_thread(back_up, made)
                for text in "cd":
                    await http.publish(TOPIC, text)
                # Once quietly; once with messages that pass the old head before the server looks.
                for later in ("", "xyz"):
                    stream = socket.subscribe(MESSAGES, topic=TOPIC)
                    [*_, last] = await _take(stream, 4 if not later else 5)
                    await asyncio.to_thread(restore, made, backup)
                    for text in later:
                        await http.publish(TOPIC, text)
                    assert await _code_at_the_end(stream) == "UNAVAILABLE"
                    for text in "efg":
                        assert await _codes(socket, last["cursor"]) == {"CURSOR_EXPIRED"}
                        await http.publish(TOPIC, text)
                    assert await _codes(socket, last["cursor"]) == {"CURSOR_EXPIRED"}
                    everything = [*"ab", *later, *"efg"]
                    stream = socket.subscribe(MESSAGES, topic=TOPIC)
                    received = await _take(stream, len(everything))
                    assert [each["text"] for each in received] == everything
                    await stream.aclose()


async def _take(stream: AsyncGenerator[Any, None], count: int) -> list[Any]:
    async with asyncio.timeout(DEADLINE):
        return [await anext(stream) for _ in range(count)]


async def _code_at_the_end(stream: AsyncGenerator[Any, None]) -> str:
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(RefusedError) as caught:
            async for _ in stream:
                pass
    return _code(caught.value)


async def _codes(socket: GraphQLSocket, cursor: str) -> set[str]:
    """Return the codes of all operations that take a cursor."""
    variables = {"topic": TOPIC, "cursor": cursor}
    codes = set()
    for operation in (
        socket.execute(_UP_TO, **variables),
        socket.execute(_LIST, **variables),
        _take(socket.subscribe(MESSAGES, topic=TOPIC, after=cursor), 1),
    ):
        with pytest.raises(RefusedError) as caught:
            await operation
        codes.add(_code(caught.value))
    return codes


def _code(refused: RefusedError) -> str:
    [error] = refused.args[0]
    code: str = error["extensions"]["code"]
    return code
