"""Training as a sweep does it: several learning rates, of which the best is kept."""

import json

import pytest

from benchmarks import training
from benchmarks.execute import execute
from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.runs import plan


def test_the_seconds_of_all_learning_rates_count(tmp_path, monkeypatch):
    chosen = {"tasks": ["addition"], "methods": ["feedforward"]}
    preset = with_options(checked(read_preset("smoke")), chosen, {})
    job = plan(preset, {"learning_rates": [1e-3, 1e-2]})
    tried, curves = [], training._curves
    monkeypatch.setattr(training, "_curves", lambda of: tried.extend(of) or curves(of))
    assert execute(job, tmp_path, training.Execution(threads=1)) == ["ok"]
    (config,) = tmp_path.glob("runs/*/config.json")
    about = json.loads(config.read_text())["training"]
    assert len(tried) == 2
    assert about["train_seconds"] == pytest.approx(sum(trainer.seconds for trainer in tried))
