"""One problem: the answer and where it is wrong, as the steps go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.lines import Cases, answering
from benchmarks.metrics import Array
from benchmarks.store import EXAMPLES, read_trace

SHOWN = 6  # answers


def answers(title: str, cases: Cases, folder: Path) -> Figure | None:
    """The first problem of the last case, by the first method that iterates, of its first seed.

    Above the answers, last the target; below the absolute errors. The colours go over the range of
    the target, and of the error at the start.
    """
    for case, lines in reversed(answering(cases).items()):
        for line in lines:
            first = next(line.done.itertuples())
            examples = read_trace(folder, first, EXAMPLES) if line.iterates else None
            if examples is not None:
                return _draw(f"{title}, {case}: {line.name}", examples[examples["problem"] == 0])
    return None


def _draw(title: str, example: pd.DataFrame) -> Figure:
    target = _square(example[example["kind"] == "target"]["values"].iloc[0])
    given = example[example["kind"] == "answer"].set_index("step")["values"].map(_square)
    steps = np.unique(np.geomspace(1, given.index.max() + 1, SHOWN).round().astype(int) - 1)
    figure, axes = look.grid(title, 2, len(steps) + 1, height=1.1)
    low, high = target.min(), target.max()
    worst = np.abs(given.iloc[0] - target).max()
    for step, above, below in zip(steps, axes[0], axes[1], strict=False):
        answer = above.imshow(given[step], vmin=low, vmax=high, cmap="viridis")
        error = below.imshow(np.abs(given[step] - target), vmin=0, vmax=worst, cmap="Greys")
        above.set_title("start" if step == 0 else f"step {step}")
        below.set_title(f"{((given[step] - target) ** 2).mean():.2g}", fontsize=7)
    axes[0, -1].imshow(target, vmin=low, vmax=high, cmap="viridis")
    axes[0, -1].set_title("target")
    for panel in axes.ravel():
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("answer")
    axes[1, 0].set_ylabel("error")
    figure.colorbar(answer, ax=axes[0], shrink=0.9)
    figure.colorbar(error, ax=axes[1], shrink=0.9)
    return figure


def _square(values: Array) -> Array:
    side = round(len(values) ** 0.5)
    return np.asarray(values).reshape(side, side)
