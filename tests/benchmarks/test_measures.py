import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.measures import measures
from benchmarks.results import _trim_trace
from benchmarks.schema import read_results
from irem_core.tasks import ShortestPath

FALLS = [2.0, 1.0, 0.5, 0.3, 0.2]
RISES = [2.0, 1.0, 0.5, 0.7, 0.9]


def measured(folder):
    return measures(folder, read_results(folder, made=False)).set_index("line")


def test_errors_and_skill_are_those_of_the_traces(made_up):
    row = measured(made_up({("irem", 0): FALLS})).loc["irem"]
    assert row["mse"] == pytest.approx(0.2)
    assert row["skill"] == pytest.approx(0.8)
    assert row["mse_low"] < 0.2 < row["mse_high"]
    assert row["over"] == "problems"
    assert (row["seeds"], row["asked"]) == (1, 1)


def test_with_several_seeds_intervals_are_over_them_too(made_up):
    errors = {("irem", seed): [*FALLS[:4], last] for seed, last in enumerate((0.1, 0.2, 0.3))}
    row = measured(made_up(errors)).loc["irem"]
    assert row["over"] == "seeds and problems"
    assert row["mse"] == pytest.approx(0.2)
    assert row["mse_high"] - row["mse_low"] > 0.1  # problems alone: about 0.04


def test_without_traces_intervals_are_over_seeds_alone(made_up):
    errors = {("irem", seed): [*FALLS[:4], last] for seed, last in enumerate((0.1, 0.2, 0.3))}
    folder = made_up(errors | {("feedforward", 0): FALLS})
    for path in folder.glob("runs/*/*/trace.parquet"):
        path.unlink()
    found = measured(folder)
    assert found.loc["irem", "over"] == "seeds"
    assert found.loc["irem", "mse"] == pytest.approx(0.2)
    # of one seed there is the interval that was measured with it
    assert found.loc["feedforward", "over"] == "problems"
    results = read_results(folder).query("method == 'feedforward' and steps == 4")
    assert found.loc["feedforward", "mse_low"] == results["mse_ci_low"].item()
    assert found["anytime"].isna().all()


def test_at_equal_operations_those_problems_are_paired_that_both_have_a_trace_of(made_up):
    """One method has traces of the first ten problems alone."""
    errors = {("irem", 0): FALLS, ("recurrent", 0): [1.1 * each for each in FALLS]}
    folder = made_up(errors)
    (path,) = [
        path
        for path in folder.glob("runs/*/*/trace.parquet")
        if json.loads(path.with_name("rows.json").read_text())[0]["method"] == "recurrent"
    ]
    _trim_trace(path.parent, 10)
    row = measured(folder).loc["recurrent"]
    traces = [pd.read_parquet(each) for each in sorted(folder.glob("runs/*/*/trace.parquet"))]
    # irem has done four steps for 400 operations, recurrent two for 300
    done = [each.query("flops <= 400 and problem < 10") for each in traces]
    last = [each[each["step"] == each["step"].max()]["error"].mean() for each in done]
    assert row["matched"] == pytest.approx(max(last) - min(last))
    assert 0 < row["matched_low"] < row["matched_high"]  # alone each is known to more than that


def test_what_runs_over_the_steps(made_up):
    found = measured(made_up({("irem", 0): FALLS, ("recurrent", 0): RISES}))
    assert found.loc["irem", "overthinking"] == pytest.approx(0)
    assert found.loc["recurrent", "overthinking"] == pytest.approx(0.4)
    # from the first step of irem, 100, to the last one of recurrent, 600, on a logarithmic axis:
    # 1 up to 200, 0.5 up to 300, 0.3 up to 400, 0.2 from there on
    widths = np.log([2, 3 / 2, 4 / 3, 3 / 2]) / np.log(6)
    assert found.loc["irem", "anytime"] == pytest.approx(widths @ [1.0, 0.5, 0.3, 0.2])
    assert found.loc["recurrent", "target_share"] == 0
    assert found["halting_skill_0.1"].isna().all()  # neither has a rule of its own when to stop


def test_the_rule_of_the_energy_is_judged(made_up):
    # two kinds of problems: the energy of one falls for one step, of the other for three, and
    # each stops there, after one step more that shows it
    errors = np.array([[2, 0.5, 1, 1, 1], [2, 1, 1, 0.5, 1]] * 20).T
    energies = np.array([[3, 1, 2, 2, 2], [3, 2, 1.5, 1, 2]] * 20).T
    row = measured(made_up({("irem", 0): errors}, energies={("irem", 0): energies})).loc["irem"]
    # at a price of 0.1: 0.5 + 0.025 and 0.5 + 0.075 at best, 0.05 and 0.1 when it stops; the step
    # that is best for the other kind gives 1.075 and 1.025
    assert row["halting_skill_0.1"] == pytest.approx((1.05 - 0.575) / (1.05 - 0.55))
    # half of what is dealt out at random is right: 0.75 on average
    assert row["allocation_gain"] == pytest.approx(0.25, abs=0.01)
    assert row["allocation_p"] == pytest.approx(1 / 1001)
    assert row["energy_rises"] == pytest.approx((1 + 1) / 8)
    assert row["energy_correlation"] > 0.7


def test_the_best_is_named_where_that_is_more_than_chance(made_up):
    better = [*FALLS[:4], 0.19]
    found = measured(made_up({("irem", 0): FALLS, ("recurrent", 0): better}))
    # by 5 % on every problem, though each mean is uncertain by more
    assert found.loc["irem", "mse_low"] < 0.19
    assert found["best"].to_dict() == {"irem": False, "recurrent": True}
    found = measured(made_up({("irem", 0): FALLS, ("recurrent", 0): FALLS}, folder="tie"))
    assert not found["best"].any()
    # less by 0.01 on average, and by chance: on half of the problems it errs more
    by_chance = np.array([FALLS] * 40).T
    by_chance[-1] += 0.1 * np.resize([1.0, -1.2], 40)
    found = measured(made_up({("irem", 0): FALLS, ("recurrent", 0): by_chance}, folder="chance"))
    assert found.loc["recurrent", "mse"] < found.loc["irem", "mse"]
    assert not found["best"].any()
    found = measured(made_up({("irem", 0): FALLS, ("programmatic", 0): [0.0] * 5}, folder="exact"))
    assert not found["best"].any()  # alone among those that learn


def test_a_failure_costs_its_seed_only(made_up):
    folder = made_up({("irem", 0): FALLS, ("irem", 1): [*FALLS[:4], np.inf]})
    row = measured(folder).loc["irem"]
    assert (row["seeds"], row["asked"], row["mse"]) == (1, 2, pytest.approx(0.2))
    lost = measured(made_up({("irem", 0): [np.inf] * 5}, folder="lost")).loc["irem"]
    assert (lost["seeds"], lost["diverged"]) == (0, True)
    assert pd.isna(lost["mse"])


def test_the_same_results_give_the_same_numbers(made_up):
    folder = made_up({("irem", 0): FALLS, ("irem", 1): RISES}, task=ShortestPath(), size=15)
    pd.testing.assert_frame_equal(measured(folder), measured(folder))


def test_the_skill_is_paired_with_the_best_trivial_predictor_if_that_was_run(made_up):
    def skill(folder, **trivial):
        errors = {("irem", 0): FALLS} | {(name, 0): [mse] * 5 for name, mse in trivial.items()}
        row = measured(made_up(errors, folder=folder)).loc["irem"]
        assert row["skill"] == pytest.approx(0.8)
        return row["skill_low"], row["skill_high"]

    # every problem is as much harder for one as for the other
    assert skill("a", trivial_copy=1.0, trivial_constant=2.0) == pytest.approx((0.8, 0.8))
    assert np.isnan(skill("b", trivial_constant=2.0)).all()
    assert np.isnan(skill("c")).all()


def test_of_several_seeds_the_allocation_has_the_largest_p(made_up):
    errors = np.array([[2, 0.5, 1, 1, 1], [2, 1, 1, 0.5, 1]] * 20).T
    right = np.array([[3, 1, 2, 2, 2], [3, 2, 1.5, 1, 2]] * 20).T
    energies = {("irem", 0): right, ("irem", 1): np.flip(right, 1).copy()}  # the wrong ones go on
    folder = made_up({("irem", 0): errors, ("irem", 1): errors}, energies=energies)
    assert measured(folder).loc["irem", "allocation_p"] == 1


def test_at_equal_operations(made_up):
    slow = [2.0, 2.0, 1.0, 0.5, 0.5]
    row = measured(made_up({("irem", 0): FALLS, ("recurrent", 0): slow})).loc["recurrent"]
    assert row["against"] == "irem"
    # after 400 operations, four steps of irem and two of recurrent, whose step costs 150
    assert row["matched"] == pytest.approx(1.0 - 0.2)
    assert row["matched_low"] < 0.8 < row["matched_high"]
    assert row["matched_seeds"] == 1


def test_costs_and_parameters_are_those_of_the_rows(made_up):
    row = measured(made_up({("irem", 0): FALLS})).loc["irem"]
    assert (row["parameters"], row["flops"], row["train_seconds"]) == (7, 100, 1)


def test_seeds_on_fewer_problems_are_left_out_and_said(made_up, caplog):
    many, few = np.full((5, 40), 0.5), np.full((5, 25), 0.1)
    row = measured(made_up({("irem", 0): many, ("irem", 1): few})).loc["irem"]
    assert row["mse"] == 0.5
    assert "seeds that were tested on fewer problems are left out" in caplog.text


def test_what_is_not_known_is_empty_and_not_zero(made_up):
    folder = made_up({("irem", 0): FALLS, ("recurrent", 0): FALLS}, flops=np.nan)
    assert measured(folder)[["anytime", "matched"]].isna().all(axis=None)


def test_a_skill_is_not_known_where_one_problem_makes_the_headroom(made_up):
    once_wrong = np.zeros((5, 40))
    once_wrong[:, 0] = 40.0
    folder = made_up({("trivial_copy", 0): once_wrong, ("irem", 0): [0.5] * 5})
    line = measures(folder, read_results(folder)).set_index("line").loc["irem"]
    assert line["skill"] == pytest.approx(0.5)
    assert line["skill_low"] < -1
