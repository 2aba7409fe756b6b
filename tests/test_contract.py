"""Every rule of the contract, on every registered method and task."""

import pytest
import torch

from baselines.feedforward import Feedforward
from benchmarks.contract import RULES, check, make, tasks
from benchmarks.registry import METHODS, load_plugins

load_plugins()  # what is installed is tested too

CASES = [
    pytest.param(rule, method, task, id=f"{name}-{task.name}-{rule}")
    for name, method in METHODS.items()
    for task in tasks()
    for rule in RULES
    if method.answers_task(task) and rule.applies(method, task)
]


@pytest.mark.parametrize(("rule", "method", "task"), CASES)
def test_rule(rule, method, task):
    if rule.cuda and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    rule.check(method, task)


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.learns], ids=lambda m: m.name)
def test_another_seed_is_another_method(method):
    task = next(task for task in tasks() if method.answers_task(task))
    one, other = (make(method, task, seed).state_dict() for seed in (1, 2))
    assert any(not torch.equal(one[name], other[name]) for name in one)


class Dropped(Feedforward):
    """Feedforward with dropout."""

    name = "dropped"
    always = False

    def unroll(self, problem, steps):
        for step in super().unroll(problem, steps):
            on = self.training or self.always
            yield step._replace(answer=torch.nn.functional.dropout(step.answer, 0.5, on))


class AlwaysDropped(Dropped):
    """And it is never off."""

    always = True


NOISE = next(rule for rule in RULES if "dropout" in rule.sentence)


def test_dropout_that_is_off_in_evaluation_keeps_the_rules(monkeypatch):
    monkeypatch.setitem(METHODS, "dropped", Dropped)
    assert check(Dropped, tasks()[0]) > 5


def test_dropout_that_is_never_off_breaks_one(monkeypatch):
    monkeypatch.setitem(METHODS, "dropped", AlwaysDropped)
    with pytest.raises(AssertionError, match="Asked again it answers otherwise"):
        NOISE.check(AlwaysDropped, tasks()[0])
