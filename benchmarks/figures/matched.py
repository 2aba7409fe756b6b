"""How much more the others err than the first method, after as many operations."""

from __future__ import annotations

from itertools import takewhile

import numpy as np
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.lines import Cases, Line, answering, first_alone, paired_at
from benchmarks.metrics import Array
from benchmarks.stats import difference_interval

POINTS = 24  # along the operations


def at_equal_operations(title: str, cases: Cases) -> Figure | None:
    """The last case: the paired difference to the first that learned, a line a method.

    Of the answers that both have after so many operations, from where both have done a step as far
    as both errors are finite; above 0 the other errs more. The bands are 95 %, over seeds, where
    there are several, and problems.
    """
    case, lines = next(reversed(answering(cases).items()), ("", []))
    known = [line for line in lines if line.learns and line.spends]
    if len(known) < 2:
        return None
    first, *others = known
    figure, ((panel,),) = look.grid(f"{title}, {case}{first_alone(known)}", 1, 1, height=2.8)
    drawn = look.looks(line.name for line in known)
    most = max(trace.flops[-1] for line in known for trace in line.traces)
    reached = [0.0, 0.0]
    for line in others:
        begin = max(trace.flops[1] for each in (first, line) for trace in each.traces)
        spent = np.geomspace(begin, most, POINTS)
        pairs = _while_finite(line, first, spent)
        spent = spent[: len(pairs)]
        name = line.name if pairs else f"{line.name} (not finite)"
        bands = [difference_interval(*pair) for pair in pairs]
        differences = [ours.mean() - theirs.mean() for ours, theirs in pairs]
        panel.plot(spent, differences, label=name, **drawn[line.name])
        low, high = np.reshape(bands, (-1, 2)).T
        panel.fill_between(spent, low, high, color=drawn[line.name]["color"], alpha=0.2, lw=0)
        reached += differences
    panel.axhline(0, label=first.name, **look.GREY)
    panel.set_xscale("log")
    # straight up to the tenth of the error of the first method, and not much beyond what there is
    least = 10 ** np.floor(np.log10(max(first.curve["error"].iloc[-1], 1e-9)))
    panel.set_yscale("symlog", linthresh=least)
    panel.set_ylim(2 * min(reached) - least, 2 * max(reached) + least)
    panel.set_xlabel("operations a problem")
    panel.set_ylabel(f"error above that of {first.name}", parse_math=False)
    look.legend(figure, [panel])
    return figure


def _while_finite(line: Line, first: Line, operations: Array) -> list[tuple[Array, Array]]:
    """The paired errors after so many operations, up to the first that is not finite."""
    pairs = (paired_at(line, first, spent) for spent in operations)
    return [*takewhile(lambda pair: all(np.isfinite(each).all() for each in pair), pairs)]
