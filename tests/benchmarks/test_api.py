import json
import re
from pathlib import Path

import pytest
import torch

from benchmarks import evaluate, load, train
from benchmarks.errors import UsageError
from irem_core import Addition

SETTINGS = {"hidden": 8, "train_iterations": 4, "batch": 8, "replayed": 4, "stored": 4}
WITHOUT_REPLAY = {"hidden": 8, "train_iterations": 4, "batch": 8}
ROOT = Path(__file__).parents[2]


def test_train_load_evaluate_solve(tmp_path):
    method = train("irem", Addition(size=2), tmp_path, **SETTINGS)
    again = load(next(tmp_path.iterdir()))
    a, b = torch.rand(2, 2, 2)
    problem = Addition(size=2).problem(a, b)
    assert torch.equal(method.solve(problem, 3).answers, again.solve(problem, 3).answers)
    rows = evaluate(method, difficulty="harder", steps=[5, 1, 5], problems=20)
    assert rows.query("selection == 'last'")["steps"].tolist() == [1, 5]
    assert (rows["mse"] > 0).all()


def test_training_again_loads_what_is_there(tmp_path):
    train("irem", Addition(size=2), tmp_path, **SETTINGS)
    weights = next(tmp_path.rglob("method.safetensors"))
    before = weights.stat().st_mtime_ns
    train("irem", Addition(size=2), tmp_path, **SETTINGS)
    assert weights.stat().st_mtime_ns == before


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A folder in the place of results/paper, with two methods; of one there is no seed 0."""
    train("irem", Addition(size=2), tmp_path / "runs", **SETTINGS)
    train("feedforward", Addition(size=2), tmp_path / "runs", seed=1, **WITHOUT_REPLAY)
    monkeypatch.setattr("benchmarks.api.PAPER", tmp_path)
    return tmp_path


def test_a_method_of_the_repository_is_loaded_by_name(paper):
    method = load("irem", "addition")
    assert (method.name, method.task) == ("irem", Addition(size=2))
    configs = {path.parent: json.loads(path.read_text()) for path in paper.rglob("config.json")}
    (folder,) = [path for path, config in configs.items() if config["method"] == "irem"]
    by_folder = load(str(folder), device="cpu").state_dict()
    assert all(torch.equal(tensor, by_folder[name]) for name, tensor in method.state_dict().items())


@pytest.mark.parametrize(
    ("method", "task", "message"),
    [
        ("iremm", "addition", "Did you mean 'irem'"),
        ("irem", "adition", "Did you mean 'addition'"),
        (
            "irem",
            "inverse",
            r"no parameters of irem on inverse. It has those of irem on addition\.",
        ),
        ("feedforward", "addition", "no parameters of feedforward on addition"),  # of another seed
    ],
)
def test_a_method_that_the_repository_does_not_have_is_named(paper, method, task, message):
    with pytest.raises(UsageError, match=message):
        load(method, task)


def test_without_a_clone_of_the_repository_it_is_said_where_methods_are(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.api.PAPER", tmp_path / "results" / "paper")
    with pytest.raises(UsageError, match="are in a clone of the repository"):
        load("irem", "addition")


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'irem'"):
        train("iremm", Addition(size=2), tmp_path)
    with pytest.raises(UsageError, match="Unknown setting of irem 'hiden'"):
        train("irem", Addition(size=2), tmp_path, hiden=3)
    with pytest.raises(UsageError, match="holds no trained method"):
        load(tmp_path / "nowhere")
    method = train("irem", Addition(size=2), tmp_path, **SETTINGS)
    for wrong in ({"steps": []}, {"steps": [0]}, {"problems": 1}, {"size": 3}):  # irem fits one
        with pytest.raises(ValueError, match=next(iter(wrong))):
            evaluate(method, **wrong)
    next(tmp_path.rglob("method.safetensors")).write_bytes(b"half")
    with pytest.raises(UsageError, match="holds no trained method"):
        load(next(tmp_path.iterdir()))


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.api.PAPER", ROOT / "results" / "paper")
    names = {}
    for example in examples:
        if "SLURMCluster" in example:  # there is none to run it on
            continue
        exec(example, names)
    assert names["answer"].shape == (1, 25)
    assert names["answered"].y.shape == (16, 1)
