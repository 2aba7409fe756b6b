import re
from pathlib import Path

import pytest
import torch

from benchmarks import evaluate, load, train
from benchmarks.errors import UsageError
from irem_core import Addition

SETTINGS = {"hidden": 8, "train_iterations": 4, "batch": 8, "replayed": 4, "stored": 4}


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
    readme = Path(__file__).parents[2] / "README.md"
    examples = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        if "SLURMCluster" in example:  # there is none to run it on
            continue
        exec(example, names)
    assert names["answer"].shape == (1, 25)
    assert names["answered"].y.shape == (16, 1)
