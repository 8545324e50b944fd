"""The beginning and the end of each load generator: read its task, print its results."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import uvloop

Task = dict[str, Any]


def main(work: Callable[[Task], Awaitable[dict[str, float]]]) -> None:
    """Do the task on standard input; print the results as JSON."""
    measured = uvloop.run(_work(work, json.load(sys.stdin)))
    json.dump(measured, sys.stdout)


async def _work(
    work: Callable[[Task], Awaitable[dict[str, float]]], task: Task
) -> dict[str, float]:
    return await work(task)


def fail_loudly() -> None:
    """Let what goes wrong in a protocol end this process; by default it is only logged."""
    runner = asyncio.current_task()

    def fail(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.set_exception_handler(lambda *_: None)  # the others fail for the same reason
        loop.default_exception_handler(context)
        if runner is not None:
            runner.cancel()

    asyncio.get_running_loop().set_exception_handler(fail)


class Meter:
    """Measures from now on: time, how busy this process is, and what the server costs.

    Parameters
    ----------
    task
        Names the servers' processes, and a file for its profile if there is to be one.
    """

    def __init__(self, task: Task) -> None:
        self._servers = [psutil.Process(pid) for pid in task.get("pids", [task["pid"]])]
        self._profiler = _profiler(task)
        self._processor = self._spent()
        self._own = time.process_time()
        self._begun = time.perf_counter()

    def stop(self) -> dict[str, float]:
        """Return seconds, seconds of the servers' processors, and the share that we were busy."""
        seconds = time.perf_counter() - self._begun
        if self._profiler is not None:
            self._profiler.wait()
        return {
            "seconds": seconds,
            "server_seconds": self._spent() - self._processor,
            "busy": (time.process_time() - self._own) / seconds,
        }

    def _spent(self) -> float:
        times = [server.cpu_times() for server in self._servers]
        return float(sum(each.user + each.system for each in times))


def _profiler(task: Task) -> subprocess.Popen[bytes] | None:
    if (file := task.get("profile")) is None:
        return None
    kind = "flamegraph" if file.endswith(".svg") else "raw"
    options = ["--pid", str(task["pid"]), "--duration", str(round(task["seconds"]))]
    command = ["py-spy", "record", "--format", kind, "--output", file, "--rate", "400", *options]
    return subprocess.Popen([*command, "--nolineno"], stdout=subprocess.DEVNULL)


def quantiles(durations: list[float]) -> dict[str, float]:
    """Return median and 99th percentile of durations, in milliseconds."""
    if not durations:
        raise ValueError("Nothing was answered while it was measured: measure for longer.")
    ordered = sorted(durations)
    last = len(ordered) - 1
    return {
        "p50": ordered[last // 2] * 1000,
        "p99": ordered[int(last * 0.99)] * 1000,
    }
