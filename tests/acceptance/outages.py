"""What can happen to a server's database and clients, for as long as a context lasts."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import psycopg
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests import services
from tests.acceptance.load import FOLLOW
from tests.acceptance.servers import Server, Site


@contextmanager
def frozen(postgres: services.BreakablePostgres) -> Iterator[None]:
    """Stop all processes of a PostgreSQL server, which then neither answers nor refuses."""
    family = postgres._family()
    for each in family:  # the parent first: it makes no more children then
        each.suspend()
    try:
        yield
    finally:
        for each in family:
            each.resume()


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Hold, as another process, the lock that everybody needs for writing."""
    if url := site.environment.get("DATABASE_URL"):
        with psycopg.connect(url) as postgres:
            postgres.execute("LOCK TABLE dasf_broker_brokertopic IN EXCLUSIVE MODE")
            yield
            postgres.rollback()
    else:
        with closing(sqlite3.connect(site.folder / "db.sqlite3", isolation_level=None)) as sqlite:
            sqlite.execute("BEGIN EXCLUSIVE")
            yield
            sqlite.rollback()


@asynccontextmanager
async def stalled_reader(server: Server, key: str) -> AsyncIterator[None]:
    """Subscribe to the topic ``topic``, and read nothing of what comes."""
    small = socket.create_connection(("127.0.0.1", server.port))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection = await connect(
        server.graphql_websocket,
        sock=small,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        max_queue=1,
        ping_interval=None,
        close_timeout=0.1,
    )
    try:
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}
        await connection.send(json.dumps(init))
        await connection.recv()
        payload = {"query": FOLLOW.replace("messageId", "text")}
        await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        yield
    finally:
        connection.transport.abort()
        await connection.wait_closed()
