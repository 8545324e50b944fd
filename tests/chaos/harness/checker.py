"""Checks a history: which promises held, which did not, and which were never tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos.harness.history import Record
from tests.chaos.harness.invariants import INVARIANTS, Invariant
from tests.chaos.harness.run import Run


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one invariant."""

    #: Its name in the table.
    name: str
    #: What it promises, in one sentence.
    promise: str
    #: How many things it looked at.
    checked: int
    #: A sentence for each thing that is wrong.
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of all invariants."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. See also :attr:`vacuous`."""
        return not self.violations

    @property
    def violations(self) -> list[str]:
        """Everything that is wrong, each with the name of its invariant."""
        return [f"{each.name}: {text}" for each in self.findings for text in each.violations]

    @property
    def broken(self) -> list[str]:
        """The names of the invariants that do not hold."""
        return [each.name for each in self.findings if each.violations]

    @property
    def vacuous(self) -> list[str]:
        """The names of the invariants that looked at nothing, and so prove nothing."""
        return [each.name for each in self.findings if not each.checked]

    def table(self) -> str:
        """Return the invariants with their counts, as plain text."""
        width = max((len(each.name) for each in self.findings), default=0)
        lines = [f"{'invariant':{width}}  {'checked':>9}  {'violations':>10}"]
        lines += [
            f"{each.name:{width}}  {each.checked:>9,}  {len(each.violations):>10,}"
            for each in self.findings
        ]
        return "\n".join(line.rstrip() for line in lines)

    def report(self, most: int = 5) -> str:
        """Return the table and, for each invariant, at most so many violations."""
        lines = [self.table()]
        for each in self.findings:
            if each.violations:
                lines += ["", f"{each.name}: {each.promise}"]
                lines += [f"  - {text}" for text in each.violations[:most]]
                if (rest := len(each.violations) - most) > 0:
                    lines.append(f"  - and {rest} more")
        return "\n".join(lines)


def check(history: Iterable[Record], invariants: Sequence[Invariant] = INVARIANTS) -> Verdict:
    """Judge a history.

    Parameters
    ----------
    history
        The records of all processes, in any order, with the state of the topics at the end.
    invariants
        What to look for; a host may add its own.

    Raises
    ------
    ValueError
        The history has no end, or an answer without a question: it cannot be judged.
    """
    run = Run(history)
    return Verdict(tuple(_look(run, each) for each in invariants))


def _look(run: Run, invariant: Invariant) -> Finding:
    looks = [*invariant(run)]
    name = invariant.__name__.replace("_", " ")
    promise = (invariant.__doc__ or name).strip().splitlines()[0]
    return Finding(name, promise, len(looks), tuple(look for look in looks if look))
