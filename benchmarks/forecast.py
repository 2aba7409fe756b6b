"""What a sweep would do, and how long that would take by the runs that are there."""

from __future__ import annotations

from benchmarks.execute import is_done
from benchmarks.runs import Planned
from benchmarks.settings import Settings
from benchmarks.store import Store
from benchmarks.time_left import measured_speed


def describe(planned: Planned, store: Store, workers: int) -> str:
    """A line for every run, done or to do, and the time that is left."""
    past = store.frame()
    lines, left, known = [], 0.0, True
    for run, evaluations in planned:
        tests = ", ".join(dict.fromkeys(f"{e.size} {e.difficulty}" for e in evaluations))
        ways = dict.fromkeys(_said(e.settings) for e in evaluations if e.settings)
        tests += f"; also {', '.join(ways)}" if ways else ""
        said = "done"
        if not is_done(run, evaluations, store):
            speed = measured_speed(run, past)
            known = known and speed is not None
            seconds = speed.seconds(run.training.updates, len(evaluations)) if speed else 0.0
            left += seconds
            said = f"to do, about {seconds:.0f} s" if speed else "to do"
        steps = evaluations[0].steps[-1]
        lines.append(f"{run.key}  {run}: {tests}; up to {steps} steps; {said}")
    undone = sum("; to do" in line for line in lines)
    least = "" if known else " at least; of some there is no past run here"
    lines.append(f"{len(planned)} runs, {undone} to do: about {left / workers:.0f} s{least}")
    return "\n".join(lines)


def _said(settings: Settings) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())
