import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from baselines.feedforward import Feedforward
from baselines.trivial import TrivialConstant
from benchmarks import evaluate, load, train
from benchmarks.errors import UsageError
from irem_core import Addition
from irem_core.streams import stream
from irem_core.tasks import Completion
from irem_core.types import Step

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


class Counting(Feedforward):
    """Adds exactly, in the type of its problems, and counts in a buffer of whole numbers."""

    def __init__(self, task):
        super().__init__(task, hidden=2)
        self.register_buffer("count", torch.tensor(0))

    def unroll(self, problem, steps):
        yield Step(problem.start)
        if steps:
            yield Step(self.task.exact(problem))


def test_a_buffer_of_whole_numbers_does_not_round_the_problems():
    rows = evaluate(Counting(Addition(size=2)).double(), problems=20, steps=[1])
    assert rows["mse"].item() < 1e-20
    assert evaluate(Counting(Addition(size=2)), problems=20, steps=[1])["mse"].item() < 1e-12


def test_a_method_of_two_types_is_refused():
    method = Counting(Addition(size=2))
    method.network.double()
    method.register_buffer("offset", torch.zeros(1))
    with pytest.raises(ValueError, match=r"tensors of torch\.float32 and torch\.float64: use"):
        evaluate(method, problems=20)
    problem = Addition(size=2).draw(2, stream("test")).problem
    with pytest.raises(ValueError, match=r"start is torch\.float64 on cpu, x torch\.float32"):
        Counting(Addition(size=2)).solve(replace(problem, start=problem.start.double()), 1)


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = WITHOUT_REPLAY | {"learning_rate": np.float64(1e-3)}
    one = train("feedforward", Addition(size=2), tmp_path, seed=np.int64(1), **settings)
    assert len(list(tmp_path.iterdir())) == 1
    train("feedforward", Addition(size=2), tmp_path, seed=1, **settings | {"learning_rate": 1e-3})
    assert len(list(tmp_path.iterdir())) == 1
    assert evaluate(one, steps=np.arange(1, 3), problems=np.int64(4))["steps"].tolist() == [1, 2]


@pytest.mark.parametrize("seed", ["1", None, 1.5, -1, True])
def test_a_seed_is_a_whole_number(seed, tmp_path):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 on"):
        train("feedforward", Addition(size=2), tmp_path, seed=seed, **WITHOUT_REPLAY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["cuda:0", "gpu", torch.device("cuda:1")])
def test_a_device_that_is_none_of_the_choices_is_refused(device, tmp_path):
    with pytest.raises(UsageError, match="Unknown device"):
        train("feedforward", Addition(size=2), tmp_path, device=device, **WITHOUT_REPLAY)
    assert not list(tmp_path.iterdir())


def test_the_default_type_of_the_caller_changes_nothing(tmp_path):
    def trained(folder):
        return train("irem", Completion(size=2), tmp_path / folder, **SETTINGS).state_dict()

    one = trained("float32")
    torch.set_default_dtype(torch.float64)
    try:
        other = trained("float64")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert {path.name for path in (tmp_path / "float32").iterdir()} == {
        path.name for path in (tmp_path / "float64").iterdir()
    }
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


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


@dataclass(frozen=True)
class Unregistered(Addition):
    """A task that only its user knows."""

    name: ClassVar[str] = "unregistered"


def test_a_task_of_ones_own_needs_no_registration():
    method = TrivialConstant(Unregistered(size=2)).double()
    rows = evaluate(method, steps=[1], problems=20)
    assert rows["mse_trivial"].item() <= rows["mse"].item()
