"""A method of one's own, as the documentation shows it, and plugins that do something wrong."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks import registry
from benchmarks.cli import run_command
from benchmarks.contract import contract
from benchmarks.schema import read_results
from benchmarks.sweep import sweep
from benchmarks.tables import tables

DOCS = Path(__file__).parents[2] / "docs" / "own_method.md"
TINY = ["--preset", "smoke", "--tasks", "addition", "--train-iterations", "2", "--threads", "1"]

OWN = """
import torch
from torch import nn
from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.types import Step


class Own(Method):
    name = 'own'

    def __init__(self, task):
        super().__init__(task)
        self.weight = nn.Parameter(torch.zeros(1).normal_())
        self.seen = None

    def unroll(self, problem, steps):
        yield Step(problem.start)
        for t in range(steps):
            yield Step(self.answer(problem))

    def loss(self, batch):
        answer = self.answer(batch.problem)
        return mean_squared_error(answer, batch), answer

    def answer(self, problem):
        return self.weight * problem.start


METHODS = [Own]
"""

TASK = """
import torch
from dataclasses import dataclass
from typing import ClassVar

from irem_core.tasks.matrix import MatrixTask, uniform


@dataclass(frozen=True)
class Transpose(MatrixTask):
    scale: float = 1.0

    name: ClassVar[str] = "transpose"
    difficulty: ClassVar[str] = "scale"
    harder: ClassVar[float] = 2.0

    def _draw(self, count, generator, dtype):
        matrix = uniform((count, self.size, self.size), generator, dtype, self.scale)
        return matrix, matrix.mT


TASKS = [Transpose]
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a module where the command runs; what it registers is forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tables = [registry.METHODS, registry.TASKS, registry.ADDED]
    before = [dict(table) for table in tables]

    def write(source: str) -> str:
        (tmp_path / "own_plugin.py").write_text(source)
        return "own_plugin"

    yield write
    sys.modules.pop("own_plugin", None)
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


def run(command, *arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(command, [str(argument) for argument in arguments])
    return ended.value.code


@pytest.mark.draws
@pytest.mark.processes
def test_the_example_of_the_documentation(plugin, capsys):
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    added = ["--plugin", plugin(source)]
    assert run(contract, *added) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(r"relaxation: \d\d checks on 3 tasks, every rule is kept\n", said)
    chosen = ["--methods", "relaxation,trivial", "--jobs", "2", "--out", "X"]
    assert run(sweep, *TINY, *chosen, *added) == 0
    assert "| relaxation " in capsys.readouterr().out
    results = read_results(Path("X"))
    assert set(results.loc[results["method"] == "relaxation", "status"]) == {"ok"}
    registry.METHODS.pop("relaxation")
    registry.ADDED.pop("relaxation")
    assert run(tables, "X", *added) == 0
    assert "| relaxation " in capsys.readouterr().out


def test_a_task_of_ones_own(plugin):
    name = plugin(TASK)
    chosen = ["--preset", "smoke", "--tasks", "transpose", "--train-iterations", "2"]
    chosen += ["--methods", "feedforward,programmatic,trivial", "--threads", "1", "--out", "X"]
    assert run(sweep, *chosen, "--plugin", name) == 0
    results = read_results(Path("X"))
    assert set(results["task"]) == {"transpose"}
    assert "programmatic" not in set(results["method"])  # it knows no algorithm for it
    assert results["skill"].isna().all()


@pytest.mark.parametrize(
    ("wrong", "right", "rule"),
    [
        ("return self.weight * problem.target", "return self.weight * problem.start", "target"),
        (
            "self.seen = batch.target[:1].sum(); answer = self.answer(batch.problem)",
            "answer = self.answer(batch.problem)",
            "target",
        ),
        ("yield Step(problem.start * 0)", "yield Step(problem.start)", "begin at the start"),
        ("self.weight * problem.start.flip(0)", "self.weight * problem.start", "permuting"),
        ("torch.rand(1).item() * problem.start", "self.weight * problem.start", "same seed"),
        ("yield Step(self.answer(problem) * steps)", "yield Step(self.answer(problem))", "earlier"),
        ("self.weight / problem.x[:, :9]", "self.weight * problem.start", "finite"),
        ("ends = True; name = 'own'", "name = 'own'", "ends by itself"),
        ("raise OSError('no')", "self.seen = None", "no"),
        ("self.idle = nn.Parameter(torch.ones(1))", "self.seen = None", "gradients reach"),
        ("(self, task, *, momentum: float = 0.9)", "(self, task)", "momentum already"),
    ],
)
def test_a_method_that_breaks_a_rule_is_named_with_it(wrong, right, rule, plugin, capsys):
    source = OWN.replace(right, wrong)
    if "seen = batch" in wrong:
        source = source.replace("* problem.start", "* problem.start + (self.seen or 0)")
    name = plugin(source)
    assert source != OWN
    assert run(sweep, *TINY, "--methods", "own,trivial", "--out", "X", "--plugin", name) == 2
    said = capsys.readouterr().err
    assert "own on" in said
    assert "breaks a rule" in said
    assert rule in said
    assert not Path("X").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_of_this_name", "cannot be imported"),
        ("x = 1", "adds nothing"),
        (OWN.replace("'own'", '"irem"'), "there is already"),
        (OWN.replace("'own'", "1"), "The name 1 of"),
        (OWN.replace("'own'", '"addition"'), "there is already"),
        ("METHODS = 3", "must list subclasses of Method, not 3"),
        ("METHODS = [int]", "must list subclasses of Method"),
        ("TASKS = [int]", "is not text"),
        (TASK.replace("scale: float = 1.0", "scale: float = -1.0"), "cannot be of size 3"),
        (TASK.replace("return matrix, ", "return matrix * torch.rand(1), "), "two draws"),
        (TASK.replace("matrix.mT", "matrix.mT / 0"), "not finite"),
    ],
)
def test_a_plugin_that_cannot_be_registered(source, said, plugin, capsys):
    assert run(sweep, *TINY, "--plugin", plugin(source)) == 2
    assert said in capsys.readouterr().err


def test_a_plugin_that_is_not_there(capsys):
    assert run(sweep, *TINY, "--plugin", "no_such_module") == 2
    assert "'no_such_module' cannot be imported" in capsys.readouterr().err


def test_a_task_of_ones_own_is_checked_with_every_method(plugin, capsys):
    source = TASK.replace("matrix.mT", "matrix.mT[:, :1].expand_as(matrix)")
    assert run(contract, "--plugin", plugin(source), "--methods", "feedforward,trivial") == 0
    assert "trivial_copy: " in capsys.readouterr().out


def test_results_of_a_plugin_that_is_not_loaded(plugin, capsys):
    name = plugin(TASK)
    chosen = ["--preset", "smoke", "--tasks", "transpose", "--methods", "trivial", "--out", "X"]
    assert run(sweep, *chosen, "--plugin", name) == 0
    del registry.TASKS["transpose"]
    assert run(tables, "X") == 2
    assert "--plugin" in capsys.readouterr().err


def test_nothing_to_check(capsys):
    assert run(contract) == 2
    assert "--plugin" in capsys.readouterr().err
