"""The processes of a trial: servers and workers that can be killed, stopped and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests import services
from tests.acceptance.servers import AS_IN_README, ROOT
from tests.chaos.harness.faults import Faults
from tests.chaos.harness.history import SUFFIX
from tests.chaos.harness.journal import name_of_life
from tests.chaos.harness.worker import Work

#: Seconds that a worker may take to begin, and to end after SIGTERM: a publisher waits until it
#: knows what became of its last message.
GRACE = 60.0

#: Seconds that a server may take to end after SIGTERM, as promised, and a little for the machine.
SERVER_GRACE = 12.0


class Process(ABC):
    """A process of ours. What it prints goes to a log that all its lives share."""

    #: Seconds that it may take to end.
    grace = GRACE

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.environment = dict(environment)
        self.lives = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process of this life."""
        assert self._process is not None, f"{self.name} does not run."
        return self._process

    def start(self) -> None:
        """Begin a life; return when it does what it is for."""
        self.lives += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.command()],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.get_ready()

    @abstractmethod
    def command(self) -> list[str]:
        """Return what the Python of the process is given."""

    @abstractmethod
    def get_ready(self) -> None:
        """Return when the process does what it is for."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.check()
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill -9."""
        self.check()
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """End the process as a process manager does."""
        self.send(signal.SIGTERM)
        self.process.wait(self.grace)

    def check(self) -> None:
        """Fail if the process ended by itself."""
        status = self.process.poll()
        assert status is None, f"{self.name} ended with {status}:\n{self.log.read_text()[-4000:]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the process run while the context lasts."""
        self.start()
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


class ServerProcess(Process):
    """A server under trial."""

    grace = SERVER_GRACE

    def __init__(self, number: int, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(f"server-{number}", folder, environment)
        self.number = number
        self.port = services.free_port()
        self._faults = Faults()
        self._changing = threading.Lock()
        self._control = folder / f"{self.name}.faults.json"
        self.environment |= {
            "DASF_FAULTS": str(self._control),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        }

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Run uvicorn."""
        options = [f"--port={self.port}", "--log-level=warning", *AS_IN_README]
        return ["-m", "uvicorn", "tests.chaos.asgi:application", *options]

    def get_ready(self) -> None:
        """Wait until somebody listens."""
        for _ in range(120):
            try:
                services.wait_for_port(self.port, seconds=0.5)
            except OSError:
                self.check()
            else:
                return
        raise AssertionError(f"{self.name} does not listen:\n{self.log.read_text()[-4000:]}")

    def change_faults(self, **values: float) -> None:
        """Let things go wrong inside the server, besides what goes wrong already."""
        with self._changing:  # two faults of one moment come from two threads
            self._faults = replace(self._faults, **values)
            self._faults.write(self._control)


class WorkerProcess(Process):
    """Some publishers and consumers."""

    def __init__(self, work: Work, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(work.name, folder, environment)
        self._work = work

    @property
    def who(self) -> str:
        """The name of the present life in the history."""
        return name_of_life(self.name, self.lives)

    def command(self) -> list[str]:
        """Run the worker."""
        return ["-m", "tests.chaos.harness.worker"]

    def get_ready(self) -> None:
        """Tell it what to do; wait until it writes that it does."""
        assert self.process.stdin is not None
        self.process.stdin.write(self._work.to_json())
        self.process.stdin.close()
        history = Path(self._work.folder) / f"{self.who}{SUFFIX}"
        deadline = time.monotonic() + GRACE
        while not history.exists() or not history.stat().st_size:
            self.check()
            assert time.monotonic() < deadline, f"{self.name} does nothing."
            time.sleep(0.1)
