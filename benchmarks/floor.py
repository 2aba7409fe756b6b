"""The least error of completion: ``python -m benchmarks.floor``. It writes the data of skill.

python -m benchmarks.floor                             # what the presets need
python -m benchmarks.floor --sizes 10 --problems 200   # of one's own
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from baselines.best_known import FLOORS
from baselines.posterior import floor
from benchmarks.cli import numbers, run_command
from benchmarks.problems import draw_test_problems
from irem_core.checkpoint import write_whole
from irem_core.streams import stream
from irem_core.tasks import Completion

KEY = ["size", "rank", "amplitude", "problems"]


def floors(
    sizes: Annotated[str, typer.Option(help="Sides of the matrices.")] = "20",
    ranks: Annotated[str, typer.Option(help="Values of the task's rank.")] = "10,2,3",
    problems: Annotated[int, typer.Option(min=2, help="Test problems.")] = 1000,
    chains: Annotated[int, typer.Option(min=3, help="Independent chains.")] = 4,
    burn_in: Annotated[int, typer.Option(min=0, help="Gibbs sweeps before any that counts.")] = 400,
    sweeps: Annotated[int, typer.Option(min=1, help="Gibbs sweeps that count.")] = 600,
    out: Annotated[Path, typer.Option(help="The file to add to.")] = FLOORS,
) -> None:
    """Estimate the error of the posterior mean on test problems, at both difficulties."""
    for size in numbers("--sizes", sizes):
        for rank in numbers("--ranks", ranks):
            for difficulty in ("same", "harder"):
                task = Completion(size=size, rank=rank).at(difficulty)
                batch = draw_test_problems(task, problems)
                estimate = floor(task, batch, stream("floor", task), chains, burn_in, sweeps)
                row = {**vars(task), "problems": problems, **estimate._asdict()}
                row |= {"chains": chains, "burn_in": burn_in, "sweeps": sweeps}
                _add(out, row)
                print(
                    f"{task}, {problems} problems: {estimate.mse:.5f} ± {estimate.uncertainty:.1g}"
                )


def _add(path: Path, row: dict[str, float]) -> None:
    """Put the row in the place of the one that it replaces, if there is one."""
    new = pd.DataFrame([row])
    every = pd.concat([pd.read_csv(path), new]) if path.exists() else new
    every = every.drop_duplicates(KEY, keep="last").sort_values(KEY)
    write_whole(path, every.to_csv(index=False).encode())


if __name__ == "__main__":
    run_command(floors)
