"""How fast it is: ``python -m benchmarks.performance`` runs the speed suite and makes its table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import scipy
import torch
import typer

from benchmarks.cli import run_command
from benchmarks.provenance import provenance
from irem_core.checkpoint import write_whole

SUITE = Path(__file__).with_name("test_speed.py")
BEFORE = ("plain", "autograd", "eager", "in turn")  # what the others of a group are compared with
LEGEND = """\
Medians. Ratio: of the first line of the group to this one, in the same run. Peak: memory of tensors
made on the way, above what was there. Operations: counted as they run, a multiply-add is 2. Share:
operations a second, of the most that products of 1024 x 512 and 512 x 512 matrices of the same type
reached at the start of the same run.
"""


def performance(
    out: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("runs/performance"),
    only: Annotated[str, typer.Option("-k", help="Of the suite, as pytest's -k.")] = "",
) -> None:
    """Run the speed suite, and write performance.csv and table.md."""
    entries = measured(only)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "performance.csv", entries.to_csv(index=False).encode())
    text = markdown(entries)
    write_whole(out / "table.md", text.encode())
    print(text)


def measured(only: str) -> pd.DataFrame:
    """One line per benchmark. Raises SystemExit with pytest's own words if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", str(SUITE), "--benchmark-only", "-q"]
        command += ["--benchmark-columns=median", f"--benchmark-json={report}", "-k", only]
        command += ["--rootdir", str(SUITE.parent), "-p", "no:cacheprovider"]
        done = subprocess.run(command, check=False)
        if done.returncode or not report.exists():
            sys.exit(done.returncode or 1)
        return frame(json.loads(report.read_text(encoding="utf-8")))


def frame(report: dict[str, Any]) -> pd.DataFrame:
    """What is kept of pytest-benchmark's report, with the ratio within each group."""
    lines = [
        {
            "group": entry["group"],
            "case": entry["param"],
            **{key: value for key, value in entry["extra_info"].items() if key != "axis"},
            "axis": json.dumps(entry["extra_info"]["axis"]),
            "median_seconds": entry["stats"]["median"],
            "iqr_seconds": entry["stats"]["iqr"],
            "rounds": entry["stats"]["rounds"],
        }
        for entry in report["benchmarks"]
    ]
    entries = pd.DataFrame(lines)
    first = entries.groupby("group")["median_seconds"].transform("first")
    compared = entries.groupby("group")["case"].transform("first").isin(BEFORE)
    entries["ratio"] = (first / entries["median_seconds"]).where(compared)
    about = provenance(torch.device(entries["device"].iloc[0]), "float32")
    kept = {name: about[name] for name in ("commit", "dirty", "created", "torch", "threads")}
    return entries.assign(**kept, machine=about["device"])


def markdown(entries: pd.DataFrame) -> str:
    """The machine, growth with size and steps, and a table per group."""
    one = entries.iloc[0]
    said = [
        f"{one['machine']}, {one['threads']} threads, torch {one['torch']}, commit "
        f"{one['commit']}.",
        "## Growth\n\n" + _growth(entries),
    ]
    for group, lines in entries.groupby("group", sort=False):
        table = pd.DataFrame(
            {
                "": lines["case"],
                "median": lines["median_seconds"].map(lambda s: f"{1e3 * s:.3g} ms"),
                "ratio": lines["ratio"].map(lambda r: "" if np.isnan(r) else f"{r:.2f}"),
                "peak": lines["peak_bytes"].map(lambda b: f"{b / 1e6:.3g} MB"),
                "operations": lines["operations"].map(lambda n: f"{n:.3g}"),
                "share": lines["share_of_product_rate"].map(lambda s: f"{100 * s:.0f} %"),
            }
        )
        said.append(f"## {group}\n\n" + table.to_markdown(index=False, disable_numparse=True))
    return "\n\n".join([*said, LEGEND])


def _growth(entries: pd.DataFrame) -> str:
    """time = constant * axis^exponent, by least squares on logarithms; 95 % intervals."""
    lines = []
    for group, rows in entries.groupby("group", sort=False):
        axes = rows["axis"].map(json.loads)
        names = {name for axis in axes for name in axis}
        if len(names) == 1 and len(rows) > 2:
            (name,) = names
            values = axes.map(lambda axis, name=name: axis[name])
            fit = scipy.stats.linregress(np.log(values), np.log(rows["median_seconds"]))
            margin = scipy.stats.t.ppf(0.975, len(rows) - 2) * fit.stderr
            low, high = fit.slope - margin, fit.slope + margin
            lines.append(f"- {group}: time ~ {name}^{fit.slope:.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(performance)
