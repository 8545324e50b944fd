"""A backend module like those that people run, in a process of its own."""

# Without postponed annotations: the framework reads the types of the parameters at run time.

import os

from demessaging import main
from deprogressapi.tree import ProgressReport

__all__ = ["add", "big", "count", "fail", "who"]

#: Validated, because its optional fields are none to a type checker.
_REPORT = ProgressReport.model_validate({"step_message": "counting"})


def add(a: int, b: int) -> int:
    """Add two numbers.

    Parameters
    ----------
    a : int
        The first.
    b : int
        The second.

    Returns
    -------
    int
        Their sum.
    """
    return a + b


def fail() -> int:
    """Fail.

    Returns
    -------
    int
        Never.
    """
    raise ValueError("broken on purpose")


def big(size: int) -> str:
    """Return a long text.

    Parameters
    ----------
    size : int
        Its length.

    Returns
    -------
    str
        The text.
    """
    return "x" * size


def count(
    steps: int,
    report: ProgressReport = _REPORT,
) -> int:
    """Count, and report each step.

    Parameters
    ----------
    steps : int
        How far.
    report : ProgressReport
        Where to report.

    Returns
    -------
    int
        How far.
    """
    for step in range(steps):
        report.create_subreport(  # type: ignore[no-untyped-call]
            step_message=f"step {step}", submit=True
        )
    return steps


def who() -> int:
    """Tell which process answers.

    Returns
    -------
    int
        Its id.
    """
    return os.getpid()


if __name__ == "__main__":
    main(messaging_config={"topic": "module"})
