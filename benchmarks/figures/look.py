"""How figures look: sizes for two columns of a page, colours and lines that survive greyscale."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

LOOK: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
}
WIDTH = 6.75  # inches: two columns of a page
LINE = 0.14  # inches: of a legend
COLUMNS = 3  # of panels
TITLE = 30  # characters of a title or of a line of a legend, where three stand in a row
LONG = 20  # characters, of which there are no four beside each other
STYLES: list[Any] = ["-", "--", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
PALETTE = sns.color_palette("colorblind")
MARKERS = "osD^vPX*"
GREY: dict[str, Any] = {"color": "0.35", "linewidth": 1}
AUTOMATIC_LABEL = re.compile(r"_child\d+|_nolegend_|")
"""What it calls lines that were given no name."""
DASHED, DASH_DOTTED, DOTTED = (0, (5, 1)), (0, (5, 1, 1, 1)), (0, (1, 1))


def suite_style() -> AbstractContextManager[Any]:
    """The look of all figures, whatever the user's matplotlibrc says."""
    return mpl.rc_context({**mpl.rcParamsDefault, "backend": mpl.get_backend(), **LOOK})


def without_glyphs(names: Iterable[str]) -> str:
    """The characters of names that the font does not have, as text; none if it has all."""
    with suite_style():
        font = get_font(findfont(FontProperties()))
    characters = sorted({character for name in names for character in name})
    return ", ".join(each for each in characters if not font.get_char_index(ord(each)))


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A colour, with a line style that tells it from its like without colours, for every name."""
    return {
        name: {
            "color": PALETTE[i % len(PALETTE)],
            "linestyle": STYLES[(i + i // len(PALETTE)) % len(STYLES)],
        }
        for i, name in enumerate(dict.fromkeys(names))
    }


def marked(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """These looks, with a marker for every point."""
    return {
        name: style | {"marker": marker(i), "markersize": 4}
        for i, (name, style) in enumerate(looks(names).items())
    }


def marker(place: int) -> str:
    """The marker of a place in a list, from the first again where there are more places."""
    return MARKERS[place % len(MARKERS)]


def grid(
    title: str, rows: int, columns: int, height: float = 2.1, **shared: Any
) -> tuple[Figure, Any]:
    """A figure with rows x columns panels."""
    figure = Figure(figsize=(WIDTH, 0.7 + height * rows), layout="constrained")
    figure.suptitle(title, parse_math=False)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, row by row, that share their axes."""
    columns = min(count, COLUMNS)
    figure, axes = grid(title, -(-count // columns), columns, sharex=True, sharey=True)
    for unused in axes.ravel()[count:]:
        unused.set_axis_off()
    return figure, list(axes.ravel()[:count])


def label(axes: list[Axes], x: str, y: str) -> None:
    """Name the axes of panels, outside alone."""
    columns = min(len(axes), COLUMNS)
    for place, panel in enumerate(axes):
        lowest = place + columns >= len(axes)
        panel.tick_params(labelbottom=lowest)
        panel.set_xlabel(x if lowest else "")
        panel.set_ylabel("" if place % columns else y)


def draw(panel: Axes, curve: pd.DataFrame, x: str, y: str = "error", **look: Any) -> None:
    """Draw the mean over seeds as a line, and their range as a band.

    Matplotlib does it in a fifth of the time that seaborn's ``lineplot`` takes.
    """
    seeds = curve.dropna(subset=[x, y]).groupby(x)[y]
    means = seeds.mean()
    (line,) = panel.plot(means.index, means, **look)
    if seeds.size().max() > 1:
        low, high = seeds.min(), seeds.max()
        panel.fill_between(means.index, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def references(panel: Axes, row: pd.Series) -> None:
    """The best trivial predictor, one linear pass, and the best error that is known."""
    panel.axhline(row["mse_trivial"], label="best trivial", linestyle=DASHED, **GREY)
    if not np.isnan(row["mse_row"]):
        panel.axhline(row["mse_row"], label="one linear pass", linestyle=DASH_DOTTED, **GREY)
    if not np.isnan(row["mse_best"]):
        panel.axhline(row["mse_best"], label="best known", linestyle=DOTTED, **GREY)


def error_axis(axes: Iterable[Axes], errors: pd.Series, start: float) -> None:
    """Errors on a logarithmic axis with a place for 0, from ``start``, the largest that matters.

    What is a million times less is as good as 0, and a line that grows to ten times as much leaves
    the picture.
    """
    least = 10 ** np.floor(np.log10(errors[errors > 1e-6 * start].min()))
    most = min(errors.max(), 10 * start)
    for panel in axes:
        panel.set_yscale("symlog", linthresh=least, linscale=0.5)
        panel.set_ylim(-0.2 * least, 1.5 * most)


def step_axis(axes: Iterable[Axes], horizon: int) -> None:
    """Steps on a logarithmic axis with a place for the start."""
    ticks = [0, *(2**k for k in range(horizon.bit_length()))]
    for panel in axes:
        panel.set_xscale("symlog", linthresh=1, linscale=0.5)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_xticks([], minor=True)
        panel.set_xlim(0, max(horizon, 1))


def legend(figure: Figure, axes: Iterable[Axes], note: str = "") -> None:
    """One legend for all panels, below them.

    Long names go over several lines, for which the figure becomes higher. Names are drawn as they
    are, whatever matplotlib would make of an underscore before them, or of dollars.
    """
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle in (*panel.lines, *panel.collections, *panel.patches):
            name = str(handle.get_label())
            if not AUTOMATIC_LABEL.fullmatch(name):
                entries.setdefault(name, handle)
    columns = 4 if max(map(len, entries)) < LONG else 3
    names = [fill(label, TITLE) for label in entries]
    more = max(name.count("\n") for name in names) * -(-len(names) // columns)
    figure.set_figheight(figure.get_figheight() + LINE * more)
    made = figure.legend(
        entries.values(),
        [f"{place}" for place in range(len(names))],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        title=note or None,
    )
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set(text=name, parse_math=False)
