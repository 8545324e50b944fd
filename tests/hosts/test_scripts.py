"""Scripts with short event loops, and a subscriber in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.acceptance.servers import ROOT, site_for_several

_LAST = 99

_LISTEN = f"""
import asyncio, json, django
django.setup()
from dasf_broker import subscribe

async def listen():
    received, missed = [], 0
    async with subscribe("live") as messages:
        async for message in messages:
            received.append(message.data)
            missed += message.missed
            print("heard", flush=True)
            if message.data == {_LAST}:
                break
    print(json.dumps([received, missed]))

asyncio.run(listen())
"""

_PUBLISH = """
import asyncio, sys, django
django.setup()
from dasf_broker import apublish
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    asyncio.run(apublish("live", data=number))
"""


def test_nothing_is_lost_by_loops_that_end(tmp_path: Path) -> None:
    """Each publish has a loop of its own, and the topic stores nothing that could be read later."""
    with site_for_several(tmp_path) as site:
        site.prepare({"live": {"store_messages": "disabled"}}, {})
        with subprocess.Popen(
            [sys.executable, "-c", _LISTEN],
            cwd=ROOT,
            env=site.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as listener:
            assert listener.stdout is not None
            with subprocess.Popen(  # again and again, until the subscription has begun
                [sys.executable, "-c", _PUBLISH, "-1000", "0"], cwd=ROOT, env=site.environment
            ) as early:
                assert listener.stdout.readline() == "heard\n"
                early.kill()
            site.run("-c", _PUBLISH, "0", str(_LAST + 1))
            *_, told = listener.stdout.read().splitlines()
    received, missed = json.loads(told)
    assert [number for number in received if number >= 0] == [*range(_LAST + 1)]
    assert missed == 0
