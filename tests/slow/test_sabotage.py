"""The harness can be trusted: a server that breaks one promise is found out, a sound one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.servers import copy_of, site
from tests.chaos.harness.checker import Verdict
from tests.chaos.load import Cast, Load
from tests.chaos.trial import Ground, Plan, hold

pytestmark = pytest.mark.timeout(400)

#: Trials at once: most of a trial is waiting.
AT_ONCE = 4

LOAD = Load(pace=0.15, stay=(1.5, 3.0), read=(9.0, 12.0), echo=0.1, forget=0.25, is_spread=False)

#: Each sabotage, and the invariant that notices it.
NOTICED_BY = {
    "announce_nothing": "deliveries come at once",
    "drop_acknowledgements": "acknowledged stays away",
    "swap_sequences": "sequences follow time",
    "delete_rows": "answered is kept",
    "deliver_acknowledged": "acknowledged stays away",
    "lose_in_silence": "loss is told",
    "forget_message_ids": "published once",
    "answer_uncommitted": "answered is kept",
}

Trials = Callable[[str], Verdict]


@pytest.fixture(scope="module")
def trials(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """Hold the trials that are asked for, several at once; return what came of one."""
    named = [getattr(item, "callspec", None) for item in request.session.items]
    names = [each.params["name"] for each in named if each and "name" in each.params]
    with site(tmp_path_factory.mktemp("original")) as original, ThreadPoolExecutor(AT_ONCE) as pool:
        cast = Cast.on(original)

        def begin(name: str) -> Future[Verdict]:
            return pool.submit(_trial, name, cast, tmp_path_factory.mktemp("trial"))

        futures = {name: begin(name) for name in names if name in NOTICED_BY or not name}
        yield lambda name: futures[name].result()


@pytest.mark.parametrize("name", NOTICED_BY)
def test_sabotage_is_noticed(name: str, trials: Trials) -> None:
    """A server that is broken in one way breaks the invariant that is meant for it."""
    assert NOTICED_BY[name] in trials(name).broken, trials(name).table()


@pytest.mark.parametrize("name", [""])
def test_a_sound_server_is_not_accused(name: str, trials: Trials) -> None:
    """A server that nobody broke breaks nothing."""
    verdict = trials(name)
    assert verdict.ok, "\n".join(verdict.violations)


def _trial(name: str, cast: Cast, folder: Path) -> Verdict:
    plan = Plan(
        seconds=10,
        with_faults=False,
        load=LOAD,
        environment={"DASF_SABOTAGE": name},
        silence=2,
        drain=20,  # some sabotage keeps messages from coming at all
    )
    with copy_of(cast.site, folder) as copy:
        return hold(plan, Ground(replace(cast, site=copy)), folder, print)
