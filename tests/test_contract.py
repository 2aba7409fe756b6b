"""Every rule of the contract, on every registered method and task."""

import pytest

from benchmarks.contract import RULES, tasks
from benchmarks.registry import METHODS

CASES = [
    pytest.param(rule, method, task, id=f"{name}-{task.name}-{rule}")
    for name, method in METHODS.items()
    for task in tasks()
    for rule in RULES
    if method.answers_task(task) and (rule.applies(method, task) or "CUDA" in rule.sentence)
]


@pytest.mark.parametrize(("rule", "method", "task"), CASES)
def test_rule(rule, method, task):
    if not rule.applies(method, task):
        pytest.skip("there is no CUDA device")
    rule.check(method, task)
