import re
import tomllib
from pathlib import Path

import pytest
import torch

from benchmarks.errors import UsageError
from benchmarks.inference import USUAL, Inference
from benchmarks.preset import checked, read_preset
from benchmarks.problems import Posed
from benchmarks.runs import plan
from irem_core import IREM, Addition, Inverse, ShortestPath
from irem_core.search import Searching
from irem_core.streams import stream

STARTED = ("random", "zero")
RESULTS = Path(__file__).parents[2] / "results" / "quick"


def preset(**changes):
    tiny = read_preset("smoke") | {"tasks": ["addition"], "methods": ["irem", "recurrent"]}
    return checked(tiny | changes)


def test_what_is_usual_is_no_setting():
    assert USUAL.unusual() == {}
    assert Inference(momentum=0.5, times=1).unusual() == {"momentum": 0.5}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": "zer"}, "Unknown start 'zer'. Did you mean 'zero'"),
        ({"start": "irem"}, "Unknown start 'irem'"),
        ({"times": 3}, "its own answer, _, which is not in ''"),
        ({"expression": "addition(a,b)", "times": 3}, "which is not in 'addition\\(a, b\\)'"),
        ({"restarts": 2, "start": "zero"}, "restarts are from random starts, not from 'zero'"),
        ({"restarts": True}, "Setting 'restarts' takes a whole number, not True"),
        ({"backtracking": "yes"}, "Setting 'backtracking' takes true or false, not 'yes'"),
        ({"momentum": "0.5"}, "Setting 'momentum' takes a number, not '0.5'"),
        ({"expression": "addition(a)"}, "addition takes 2 inputs in an expression, not 1"),
        ({"momentum": 1.5}, "momentum must be less than 1, not 1.5"),
        ({"shortcut": True, "momentum": 0.5}, "shortcut is told to a descent as in training"),
        ({"restart": 3}, "Unknown key of a test 'restart'. Did you mean 'restarts'"),
    ],
)
def test_what_cannot_be_asked_is_named(wrong, said):
    with pytest.raises(UsageError, match=said.replace("?", "\\?")):
        preset(tests=[wrong])


def test_only_a_descent_is_asked_in_another_way():
    asked = {
        run.method: [evaluation.inference.unusual() for evaluation in evaluations]
        for run, evaluations in plan(preset(tests=[{"momentum": 0.5}], difficulties=["same"]), {})
    }
    assert asked == {"irem": [{}, {"momentum": 0.5}], "recurrent": [{}]}


def test_every_method_is_asked_an_expression_with_the_most_steps_alone():
    planned = plan(preset(tests=[{"expression": "addition(_, a)"}], difficulties=["same"]), {})
    for _, evaluations in planned:
        assert [each.steps for each in evaluations] == [(1, 2, 5), (5,)]


def test_an_expression_needs_the_runs_of_its_parts(caplog):
    tests = [{"expression": "addition(inverse(s), t)"}]
    alone = plan(preset(tests=tests), {})
    assert not any(evaluation.settings for _, each in alone for evaluation in each)
    assert "addition(inverse(s), t) is not asked: it needs inverse" in caplog.text
    variants = [{}, {"inverse": {"ridge": 0.3}}]
    with pytest.raises(UsageError, match="needs irem trained on inverse too, by the same settings"):
        plan(preset(tests=tests, tasks=["addition", "inverse"], variants=variants), {})
    planned = plan(preset(tests=tests, tasks=["addition", "inverse"]), {})
    parts = {
        (run.method, part.method, part.task.name, part.seed)
        for run, evaluations in planned
        for evaluation in evaluations
        for part in evaluation.parts
    }
    assert parts == {("irem", "irem", "inverse", 0), ("recurrent", "recurrent", "inverse", 0)}


def test_ways_to_ask_have_evaluations_of_their_own_and_the_usual_one_keeps_its():
    planned = plan(checked(read_preset("quick") | {"tests": [{"noise": 0.1}]}), {})
    for run, evaluations in planned:
        keys = [evaluation.key(run.task) for evaluation in evaluations]
        assert len(set(keys)) == len(keys)
        usual = [each.key(run.task) for each in evaluations if each.inference == USUAL]
        written = {path.parent.name for path in RESULTS.glob(f"runs/{run.key}/*/rows.json")}
        assert set(usual) == written


def test_what_suits_no_run_is_refused():
    with pytest.raises(UsageError, match=r"No run that is planned can be tested by \{'mom"):
        plan(preset(tests=[{"momentum": 0.5}], methods=["recurrent"]), {})


def test_who_cannot_answer_a_part_is_not_asked():
    tests = [{"expression": "addition(inverse(s), t)"}]
    methods = ["programmatic", "trivial_linear"]  # of which one does not add
    planned = plan(preset(tests=tests, tasks=["addition", "inverse"], methods=methods), {})
    asked = {run.method for run, each in planned if any(e.inference.expression for e in each)}
    assert asked == {"programmatic"}


def test_the_presets_of_the_readme_can_be_planned(tmp_path):
    readme = (RESULTS.parents[1] / "README.md").read_text()
    for text in re.findall(r"```toml\n(.*?)```", readme, re.DOTALL):
        (tmp_path / "own.toml").write_text(text)
        table = read_preset(str(tmp_path / "own.toml"), smoke=True)
        assert any(
            evaluation.settings for _, each in plan(checked(table), {}) for evaluation in each
        )
        assert table["tests"] == tomllib.loads(text)["tests"]  # not those of the base's smoke


def test_what_solved_the_parts_is_said():
    tests = [{"expression": "addition(inverse(s), t)"}]
    tasks = ["addition", "inverse"]
    said = []
    for settings in ({}, {"inverse": {"ridge": 0.2}}):
        planned = plan(preset(tests=tests, tasks=tasks, methods=["programmatic"]), settings)
        said += [(e.key(run.task), e.settings) for run, each in planned for e in each if e.parts]
    assert said[0][0] != said[2][0]
    assert [settings["parts"] for _, settings in said[::2]] == [
        ["inverse(size=3)"],
        ["inverse(size=3, ridge=0.2)"],
    ]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("ridge=0", "ridge must be a positive number, not 0.0"),
        ("ridge=e", "Unknown difficulty 'ridge=e'"),
        ("size=5", "'size=5' is a value of none of"),
    ],
)
def test_levels_that_cannot_be_are_named(level, said):
    with pytest.raises(UsageError, match=said):
        plan(preset(tasks=["inverse"], difficulties=["same", level]), {})


def test_one_level_by_two_names_is_tested_once():
    levels = ["same", "ridge=0.5", "ridge=0.50", "harder"]
    planned = plan(preset(tasks=["inverse"], difficulties=levels, methods=["irem"]), {})
    assert [e.difficulty for _, each in planned for e in each] == ["same", "harder"]


def test_an_expression_is_asked_at_levels_that_all_its_tasks_have():
    tests = [{"expression": "addition(inverse(s), t)"}]
    levels = ["same", "scale=2.0", 0.7]
    tasks = ["addition", "inverse"]
    planned = plan(preset(tests=tests, tasks=tasks, difficulties=levels), {})
    assert {e.difficulty for _, each in planned for e in each if e.parts} == {"same"}


def problem(task):
    return task.draw(6, stream("test"), torch.float64).problem


def test_a_descent_starts_where_it_is_told():
    task = ShortestPath(size=4)
    given = problem(task)
    assert torch.equal(USUAL.started(given, task).start, given.start)
    assert not Inference(start="zero").started(given, task).start.any()
    copied = Inference(start="trivial_copy").started(given, task)
    assert torch.equal(copied.start, given.x)
    right = Inference(start="programmatic").started(given, task)
    torch.testing.assert_close(right.start, task.exact(given))


def test_the_usual_method_is_left_alone_and_another_one_searches():
    method = IREM(Addition(size=2), hidden=4)
    assert Inference(start="zero").of(method) is method
    searching = Inference(restarts=2).of(method)
    assert isinstance(searching, Searching)
    assert searching.search.restarts == 2


def test_nested_problems_go_through_the_methods_of_their_parts():
    tests = [{"expression": "addition(inverse(s), t)"}]
    small = preset(tests=tests, tasks=["addition", "inverse"], methods=["programmatic"])
    run, evaluations = next(each for each in plan(small, {}) if each[0].task.name == "addition")
    posed = Posed(run, run.untrained(), lambda part: part.untrained())
    nested = next(each for each in evaluations if each.inference.expression)
    batch = posed.problems(nested)
    torch.testing.assert_close(run.task.exact(batch.problem), batch.target)


def test_named_levels_concern_the_tasks_that_have_them():
    levels = ["same", "ridge=0.2", "scale=2.0"]
    planned = plan(preset(tasks=["addition", "inverse"], difficulties=levels), {})
    tested = {run.task.name: [e.difficulty for e in each] for run, each in planned}
    assert tested == {"addition": ["same", "scale=2.0"], "inverse": ["same", "ridge=0.2"]}
    assert Inverse(size=3).test(3, "ridge=0.2") == Inverse(size=3, ridge=0.2)
    with pytest.raises(UsageError, match="'rank=2' is a value of none of"):
        plan(preset(difficulties=["same", "rank=2"]), {})
    with pytest.raises(ValueError, match="NAME one of ridge, not 'scale=2'"):
        Inverse(size=3).test(3, "scale=2")


def test_within_an_expression_a_descent_starts_where_it_is_told_too():
    tests = [{"expression": "addition(_, a)", "times": 2, "start": start} for start in STARTED]
    run, evaluations = plan(preset(tests=tests, methods=["irem"], difficulties=["same"]), {})[0]
    posed = Posed(run, run.untrained(), lambda part: part.untrained())
    problems = [posed.problems(each).problem for each in evaluations if each.settings]
    at_random, at_zero = (each.x[:, : run.task.n_out] for each in problems)  # their own answers
    assert not torch.allclose(at_random, at_zero)
    assert not problems[1].start.any()


def test_test_problems_are_of_the_difficulty_that_is_asked():
    run, evaluations = plan(preset(tasks=["addition"], methods=["trivial_copy"]), {})[0]
    posed = Posed(run, run.untrained(), lambda part: part.untrained())
    largest = {each.difficulty: posed.problems(each).problem.x.abs().max() for each in evaluations}
    assert largest["same"] <= run.task.at("same").scale < largest["harder"]
