import json

import pytest
import torch

from benchmarks.inference import Inference
from benchmarks.preset import checked, read_preset
from benchmarks.runs import plan
from benchmarks.schema import read_results
from benchmarks.shortcut import with_shortcut
from benchmarks.sweep import sweep
from irem_core import ShortestPath
from irem_core.streams import stream
from irem_core.types import Batch, Problem


def test_a_shortcut_by_hand():
    """On a line 0 - 1 - 2 - 3 of unit edges 0 and 3 are one place: 0 to 2 and 1 to 3 become 1."""
    line = torch.tensor([0.0, 1, 2, 3])
    distances = (line[:, None] - line).abs()
    task = ShortestPath(size=4)
    edges = distances.where(distances == 1, 9).fill_diagonal_(0)
    problem = Problem(edges.view(1, 16), torch.zeros(1, 16), torch.tensor([4]))
    batch = with_shortcut(task, Batch(problem, distances.view(1, 16)))
    expected = [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]
    assert batch.target.view(4, 4).tolist() == expected
    known = batch.problem.known.view(4, 4)
    assert known[0, 3] == known[3, 0] == 0
    assert known.isnan().sum() == 14
    assert torch.equal(batch.problem.x, problem.x)  # the input does not show it


def test_other_entries_follow_from_a_shortcut():
    task = ShortestPath(size=8).test(8, "same")
    before = task.draw(50, stream("test"), torch.float64)
    after = with_shortcut(task, before)
    changed = after.target < before.target - 1e-12
    assert changed.sum() > 2 * 50  # more than what is told
    assert (after.target <= before.target + 1e-12).all()


def test_a_sweep_with_a_shortcut(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'base = "smoke"\ntasks = ["shortest_path", "edge_copy"]\nmethods = ["irem_structured", '
        '"recurrent_structured", "feedforward_structured", "trivial"]\n'
        "tests = [{ shortcut = true }]\n"
    )
    out = tmp_path / "out"
    sweep(preset=str(path), out=out, train_iterations=2)
    results = read_results(out)
    told = results[results["settings"].map(json.loads).map(lambda said: "shortcut" in said)]
    assert set(told["method"]) == set(results["method"])
    ladder = told["method"].str.startswith("trivial") & (told["method"] != "trivial_row")
    trivial = told[ladder & (told["selection"] == "last")]
    least = trivial.groupby("size")["mse"].min()
    assert told["mse_trivial"].to_numpy() == pytest.approx(told["size"].map(least).to_numpy())
    assert set(told["task"]) == {"shortest_path"}
    assert (told["status"] == "ok").all()
    text = (out / "table.md").read_text()
    assert "## shortest_path, shortcut=True" in text
    assert "Left out" not in text  # it is none of the cases that all are held against


def test_a_shortcut_of_nothing_is_refused_and_of_other_tasks_left_out(caplog):
    with pytest.raises(ValueError, match="not of an expression"):
        Inference(shortcut=True, expression="shortest_path(_)")
    table = read_preset("smoke") | {"tests": [{"shortcut": True}]}
    assert plan(checked(table | {"tasks": ["addition"]}), {})
    assert "{'shortcut': True} is not asked: it needs shortest_path" in caplog.text
