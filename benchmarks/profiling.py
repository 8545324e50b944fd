"""Profile the server during fan-out and during publishing: ``python -m benchmarks.profiling``.

Writes for each a flame graph, the raw stacks, and the largest costs by name. The profile covers
only the time of the measurement, and not the start or the end of the server. Needs py-spy, and on
some systems the right to trace processes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import hotspots
from benchmarks.harness.bench import Bench
from benchmarks.load.messages import PUBLISH
from benchmarks.ours import fanout, publish
from tests.acceptance.servers import Server

RESULTS = Path(__file__).parent / "results"
SECONDS = 10.0

Profiled = Callable[..., Callable[[], dict[str, float]]]


def main() -> None:
    """Write the profiles; print the largest costs."""
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"):
        os.environ.pop(name, None)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    RESULTS.mkdir(exist_ok=True)
    what: dict[str, Profiled] = {"fanout": fanout.candidate, "publish": publish.candidate}
    with tempfile.TemporaryDirectory(prefix="dasf-profile-") as folder:
        bench = Bench(Path(folder), seconds=SECONDS)
        for name in sys.argv[1:] or what:
            with bench.site() as (site, keys), site.server() as server:
                _profile(name, bench, server, what[name], keys)


def _profile(
    name: str, bench: Bench, server: Server, profiled: Profiled, keys: dict[str, str]
) -> None:
    for kind in ("svg", "raw"):
        file = RESULTS / f"{name}.{kind}"
        profiled(bench, server, publish=PUBLISH, profile=str(file), **keys)()
    sys.stdout.write(f"\n== {name}\n\n")
    with file.open() as raw:
        for line in hotspots.lines(*hotspots.costs(hotspots.read_profile(raw))):
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
