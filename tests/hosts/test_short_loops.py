"""``SENT`` means announced: from loops that end, from children, and from a server by WSGI.

The topic stores nothing that could be read later, and the subscriber is another process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import services
from tests.acceptance.servers import Site
from tests.hosts.projects import Services, host_project

_SETUP = "import asyncio, json, os, sys, threading, django; django.setup()\n"

_LISTEN = """
from dasf_broker import apublish, subscribe

async def say(word):
    while True:
        await apublish("live", data=word)
        await asyncio.sleep(0.05)

async def listen():
    saying = asyncio.create_task(say("ready"))  # until the subscription has begun
    received, missed = [], 0
    async with subscribe("live") as messages:
        async for message in messages:
            missed += message.missed
            if message.data == "end":
                break
            if message.data != "ready":
                received.append(message.data)
            elif not saying.cancelled():
                saying.cancel()
                await asyncio.gather(saying, return_exceptions=True)
                print("ready", flush=True)
    print(json.dumps([received, missed]))

asyncio.run(listen())
"""

_END = """
from dasf_broker import publish
publish("live", data="end")
"""

_CHILDREN = """
from dasf_broker import apublish, publish
from django.db import connections
from dasf_broker.realtime.announcer import announce_from_running_loop

def sent(word):
    assert publish("live", data=word).status == "SENT"
    assert asyncio.run(apublish("live", data=f"a{word}")).status == "SENT"

def in_child(word):
    connections.close_all()
    if (child := os.fork()) == 0:
        sent(word)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

sent("before")
in_child("first")
sent("between")

may_end = threading.Event()

async def serve():
    announce_from_running_loop()
    started.set()
    await asyncio.to_thread(may_end.wait)

started = threading.Event()
server = threading.Thread(target=lambda: asyncio.run(serve()))
server.start()
started.wait()
sent("beside a loop")
in_child("child beside a loop")
may_end.set()
server.join()
sent("last")
"""

#: Loops that announce for a moment only, while another thread publishes.
_BESIDE = """
from dasf_broker import apublish, publish
from dasf_broker.realtime.announcer import announce_from_running_loop

is_done = threading.Event()

async def announce_for_a_moment(seconds):
    announce_from_running_loop()
    await asyncio.sleep(seconds)

def keep_ending():
    while not is_done.is_set():
        asyncio.run(announce_for_a_moment(0.003))

thread = threading.Thread(target=keep_ending)
thread.start()
for number in range(0, 60, 2):
    assert asyncio.run(apublish("live", data=number)).status == "SENT"
    assert publish("live", data=number + 1).status == "SENT"
is_done.set()
thread.join()
"""

_WSGI = """
import http.client
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from django.core.wsgi import get_wsgi_application

class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass

server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()

def ask(method, document, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    headers |= {"Content-Type": "application/json", "Authorization": f"Bearer {sys.argv[1]}"}
    connection.request(method, "/graphql/", json.dumps({"query": document}), headers)
    answer = json.load(connection.getresponse())
    return answer.get("data") or [each["message"] for each in answer["errors"]]

def publish(word):
    document = 'mutation { publishMessage(input: {topic: "live", data: "%s"}) { status } }' % word
    assert ask("POST", document) == {"publishMessage": {"status": "SENT"}}

for number in range(3):
    publish(f"in turn {number}")
threads = [threading.Thread(target=publish, args=(f"at once {number}",)) for number in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
subscribe = 'subscription { messages(topic: "live") { messageId } }'
print(json.dumps([
    ask("POST", subscribe),
    ask("POST", subscribe, Accept="text/event-stream"),
    ask("GET", "", Upgrade="websocket", Connection="Upgrade"),
]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return the project of a host, with Redis."""
    with (
        services.redis() as redis,
        host_project(tmp_path_factory.mktemp("short"), Services(redis=redis)) as site,
    ):
        yield site


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    """Return the key of a user who may publish to a topic that stores nothing."""
    topics, people = {"live": {"store_messages": "disabled"}}, {"ada": ["can_produce"]}
    return site.prepare(topics, people)["ada"]


@contextmanager
def listening(site: Site) -> Iterator[list[object]]:
    """Subscribe in another process; the list has what was received when the context is left."""
    received: list[object] = []
    with subprocess.Popen(
        [sys.executable, "-c", _SETUP + _LISTEN],
        cwd=site.root,
        env=site.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        yield received
        site.run("-c", _SETUP + _END)
        words, missed = json.loads(listener.stdout.read())
    assert missed == 0
    received += words


def test_children(site: Site, key: str) -> None:
    """Parent and child publish on, each with its own numbers, whatever runs beside them."""
    with listening(site) as received:
        site.run("-c", _SETUP + _CHILDREN, key)
    words = ("before", "first", "between", "beside a loop", "child beside a loop", "last")
    assert received == [each for word in words for each in (word, f"a{word}")]


def test_loops_that_end_beside(site: Site, key: str) -> None:
    """The loop that announces for the process may end at any moment."""
    with listening(site) as received:
        site.run("-c", _SETUP + _BESIDE, key)
    assert received == [*range(60)]


def test_wsgi(site: Site, key: str) -> None:
    """Publishing works. A subscription does not, and says why, over each way to ask for one."""
    with listening(site) as received:
        answers = json.loads(site.run("-c", _SETUP + _WSGI, key))
    assert received[:3] == [f"in turn {number}" for number in range(3)]
    assert {*received[3:]} == {f"at once {number}" for number in range(5)}
    assert len(received) == 8
    for [text] in answers:
        assert "runs by WSGI" in text
        assert "broker_application" in text
