import numpy as np
import pandas as pd
import pytest

from benchmarks.cases import comparisons
from benchmarks.claims import (
    ENERGY_HELPS,
    ERRS_LEAST,
    MORE_STEPS,
    STOPS_WELL,
    THINKS_LONGER,
    claims,
    judge,
    sections,
)
from benchmarks.cli import run_app, run_command
from benchmarks.judging import above, all_above, change, number, same
from benchmarks.lines import by_method, lines
from benchmarks.results import app
from benchmarks.schema import read_results
from irem_core.tasks import Addition, Inverse, ShortestPath

FALLS = [2.0, 1.0, 0.5, 0.3, 0.2]
WORSE = [2.0, 1.0, 0.5, 0.4, 0.4]
OTHERS = {(name, 0): [9.0] * 5 for name in ("feedforward", "iterative", "ponder")}


def about(folder, text, where=""):
    (claim,) = [each for each in claims(folder) if each.claim == text and where in each.where]
    return claim


def published(folder):
    return [each for each in claims(folder) if each.claim == "The published numbers"]


def test_a_verdict_is_that_of_the_whole_interval():
    assert above(0.1, 0.2) == "reproduced"
    assert above(-0.2, -0.1) == "not reproduced"
    assert above(-0.1, 0.1) == "not clear"
    assert above(float("nan"), float("nan")) == "not clear"
    assert same(-0.1, 0.1, 0.2) == "reproduced"
    assert same(0.3, 0.4, 0.2) == "higher than published"
    assert same(-0.4, -0.3, 0.2) == "lower than published"
    assert same(0.1, 0.3, 0.2) == "not clear"


def test_numbers_have_three_digits_and_differences_no_sign():
    assert [number(x) for x in (0.1, 2.0, 123.4, 0.0, 1.234e-7)] == [
        "0.100",
        "2.00",
        "123",
        "0.00",
        "1.23e-07",
    ]
    assert change(-0.2, -0.3, -0.1, "more", "less") == "0.200 less [0.100, 0.300]"
    assert change(0.2, np.nan, np.nan, "more", "less") == "0.200 more"


def test_that_it_errs_least_is_tested_against_every_baseline(made_up):
    claim = about(made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE} | OTHERS), ERRS_LEAST)
    assert claim.verdict == "reproduced"
    assert "irem errs 0.200, recurrent as the best 0.400: 0.200 more [" in claim.sentence
    assert "one seed" in claim.over
    some = about(made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE}, folder="a"), ERRS_LEAST)
    assert some.verdict == "not clear"
    assert some.sentence.endswith("Not run: feedforward, iterative, ponder.")
    both = {("irem", 0): WORSE, ("recurrent", 0): FALLS, ("ponder", 0): [9.0] * 5}
    assert about(made_up(both, folder="b"), ERRS_LEAST).verdict == "not reproduced"
    tie = {("irem", 0): FALLS, ("recurrent", 0): FALLS}
    assert about(made_up(tie, folder="c"), ERRS_LEAST).verdict == "not clear"
    alone = made_up({("irem", 0): FALLS}, folder="d")
    assert about(alone, ERRS_LEAST).verdict == "not tested"


def test_a_baseline_that_halts_is_held_by_where_it_halts_too(made_up):
    folder = made_up({("irem", 0): FALLS, ("ponder", 0): [2.0, 1.0, np.inf, np.inf, np.inf]})
    assert "There is no result" in about(folder, ERRS_LEAST).sentence
    results = pd.read_csv(folder / "results.csv")
    ponder = results[(results["method"] == "ponder") & (results["steps"] == results["steps"].max())]
    halted = ponder.assign(selection="halted_expected", status="ok", mse=0.1)
    pd.concat([results, halted]).to_csv(folder / "results.csv", index=False)
    for path in folder.glob("runs/*/*/trace.parquet"):
        path.unlink()  # they know no halting
    found = about(folder, ERRS_LEAST).sentence
    assert "irem errs 0.200, ponder, halted_expected 0.100: 0.100 less" in found
    assert "No finite result" not in found


def test_that_an_energy_helps_is_tested_at_equal_cost(made_up):
    structured, without = ("irem_structured", 0), ("recurrent_structured", 0)
    found = about(made_up({structured: FALLS, without: WORSE}), ENERGY_HELPS)
    assert found.verdict == "reproduced"
    assert "At 4e+02 operations" in found.sentence  # of which the other has done two steps of three
    assert "irem_structured errs 0.200 and recurrent_structured 0.500, 0.300" in found.sentence
    assert found.sentence.count("a problem") == 2  # operations, seconds
    found = about(made_up({without: FALLS, structured: WORSE}, folder="b"), ENERGY_HELPS)
    assert found.verdict == "not reproduced"
    alone = about(made_up({structured: FALLS}, folder="c"), ENERGY_HELPS)
    assert alone.verdict == "not tested"
    others = claims(made_up({("irem", 0): FALLS}, folder="d"))
    assert ENERGY_HELPS not in {claim.claim for claim in others}


def test_that_more_steps_help_is_tested_beyond_those_of_training(made_up):
    def after(first, last, folder):
        means = [2.0, *[first] * 10, *[last] * 10]
        return about(made_up({("irem", 0): means}, steps=(10, 20), folder=folder), MORE_STEPS)

    falls = after(0.5, 0.2, "a")
    assert falls.verdict == "reproduced"
    assert "0.500 after 10 steps, 0.200 after 20: 0.300 less [" in falls.sentence
    assert "60.0% of it" in falls.sentence
    assert after(0.2, 0.5, "b").verdict == "not reproduced"
    assert after(0.5, 0.48, "c").verdict == "not reproduced"  # 4 % are no difference elsewhere
    few = about(made_up({("irem", 0): FALLS}, folder="d"), MORE_STEPS)
    assert few.verdict == "not tested"


def test_what_is_no_better_than_trivial_is_said_to_be(made_up):
    for last, said in ((0.9, False), (1.5, True)):  # the trivial error is 1
        errors = {("irem", 0): [2.0, *[1.6] * 10, *[last] * 10]}
        found = about(made_up(errors, steps=(10, 20), folder=f"{last}"), MORE_STEPS)
        assert found.sentence.endswith("A trivial predictor errs 1.00.") == said


def test_that_stopping_is_free_is_tested_by_the_energy(made_up):
    def verdict(means, folder):
        energies = {("irem", 0): [[energy] * 40 for energy in (5, 4, 3, 4, 5)]}  # stops at 2
        found = made_up({("irem", 0): means}, energies=energies, folder=folder)
        return about(found, STOPS_WELL).verdict

    assert verdict([2.0, 1.0, 0.2, 0.3, 0.4], "a") == "reproduced"
    assert verdict([2.0, 1.0, 0.42, 0.4, 0.4], "b") == "reproduced"  # 5 % are little
    assert verdict([2.0, 1.0, 0.4, 0.3, 0.2], "c") == "not reproduced"
    without = made_up({("irem", 0): FALLS}, folder="d")
    assert about(without, STOPS_WELL).verdict == "not tested"


def test_a_run_is_compared_with_itself(made_up):
    """Seeds that differ by much, and gain the same."""
    errors = {("irem", i): [2.0, *[1.3 * x] * 10, *[x] * 10] for i, x in enumerate((0.1, 0.3, 0.5))}
    found = about(made_up(errors, steps=(10, 20)), MORE_STEPS)
    assert found.verdict == "reproduced"


def test_what_has_no_result_is_named(made_up):
    errors = {("irem", 0): FALLS, ("feedforward", 0): WORSE, ("recurrent", 0): [np.inf] * 5}
    found = about(made_up(errors), ERRS_LEAST)
    assert "No finite result of recurrent. Not run: iterative, ponder." in found.sentence


def test_claims_are_about_every_case_and_the_usual_settings(made_up):
    made_up({("irem", 0): WORSE, ("recurrent", 0): FALLS}, difficulty="same")
    folder = made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE} | OTHERS)
    made_up({("irem", 0): [9.0] * 5}, settings={"step_size": 1.0})
    assert about(folder, ERRS_LEAST, "addition, n=3, harder").verdict == "reproduced"
    assert about(folder, ERRS_LEAST, "addition, n=3, same").verdict == "not reproduced"


def test_without_a_trace_there_is_no_interval_and_no_verdict(made_up):
    folder = made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE})
    for path in folder.glob("runs/*/*/trace.parquet"):
        path.unlink()
    found = about(folder, ERRS_LEAST)
    assert found.verdict == "not clear"
    assert "0.200 more." in found.sentence
    assert found.over.startswith("no interval without traces; 5 updates, the paper 10,000")
    assert "nan" not in found.sentence


def test_published_numbers_are_held_against_ours(made_up):
    def quoted(last, folder, updates=10_000):
        errors = {("irem", 0): [2.0, 1.0, 0.5, 0.3, last]}
        (claim,) = published(made_up(errors, size=20, folder=folder, updates=updates))
        assert claim.where == "irem, addition, n = 20, harder"
        return claim

    assert quoted(0.0021, "a").verdict == "reproduced"
    assert quoted(0.0021, "b").over.endswith("; 10,000 updates, as in the paper")
    assert quoted(0.00233, "c").verdict == "not clear"
    assert quoted(0.02, "d").verdict == "higher than published"
    assert quoted(0.0002, "e").verdict == "lower than published"
    assert "Published: 0.0021. Ours: 0.0200 [" in quoted(0.02, "f").sentence
    assert "9.52 times as much" in quoted(0.02, "g").sentence
    assert quoted(0.0021, "h", updates=400).verdict == "not tested"


def test_the_published_error_of_recurrent_is_that_of_its_first_step(made_up):
    errors = {("recurrent", 0): [1.0, 0.1083, 0.2, 0.2, 0.2]}
    found = published(made_up(errors, task=ShortestPath(), size=15, updates=10_000))
    (claim,) = [each for each in found if "0.1083" in each.sentence]
    assert claim.verdict == "reproduced"
    assert claim.sentence.startswith("Published after step 1: 0.1083.")


def test_the_published_curves_over_steps_are_held_against_ours(made_up):
    last = {10: 0.029, 15: 0.2}  # the curve ends at 0.027, which is read to 0.003, and at 0.049
    for size, error in last.items():
        errors = {("irem", 0): np.outer([1.0, *[0.5] * 39, error], np.ones(40))}  # alike
        level = ShortestPath().difficulty_of(size)
        folder = made_up(
            errors,
            task=ShortestPath(),
            size=size,
            difficulty=level,
            steps=(10, 40),
            updates=10_000,
        )
    found = {each.where: each for each in published(folder) if "step 40" in each.sentence}
    near = found["irem, shortest_path, n = 10, same"]
    assert near.verdict == "reproduced"
    assert "Published after step 40: 0.027 (to 0.003)." in near.sentence
    far = found["irem, shortest_path, n = 15, harder"]
    assert far.verdict == "higher than published"
    assert "4.08 times as much" in far.sentence
    # 0.5 where the curve begins with 0.859 and has its least, 0.039; 0.2 where it ends with 0.049
    assert "between 0.58 (step 1) and 13 (step" in far.sentence


def test_the_published_curves_of_sums_are_held_against_ours(made_up):
    for error, times in ((0.001, 1), (0.3, 10), (9.0, 20)):
        expression = {"expression": "addition(_, a)", "times": times}
        folder = made_up(
            {("irem", 0): np.full((5, 40), error)},
            size=20,
            difficulty="same",
            updates=10_000,
            settings=expression,
        )
    (held,) = published(folder)  # at the end of the curve, which ours goes beyond
    assert held.where == "irem, addition(_, a), n=20, applied 10 times"
    assert held.verdict == "higher than published"
    assert held.sentence.startswith("Published: 0.04 (to 0.02). Ours: 0.300")
    assert "7.50 times as much" in held.sentence


def test_what_is_smaller_than_could_be_read_is_not_judged(made_up):
    for times in (1, 2):
        folder = made_up(
            {("irem", 0): np.full((5, 40), 0.015)},
            size=20,
            difficulty="same",
            updates=10_000,
            settings={"expression": "addition(_, a)", "times": times},
        )
    (held,) = published(folder)
    assert held.where.endswith("applied once")
    assert held.verdict == "not clear"
    assert "times as much" not in held.sentence


def test_of_the_first_problems_it_is_said_that_there_were_more(made_up):
    folder = made_up({("irem", 0): [3.0, *[2.0] * 10, *[1.0] * 10]}, steps=(10, 20))
    with pytest.raises(SystemExit):
        run_app(app, ["trim", str(folder), "--problems", "10"])
    found = about(folder, MORE_STEPS)
    assert "Over all problems the least is 1.00, after step 11." in found.sentence
    assert found.over.startswith("95 %, over the first 10 of 40 problems alone, of one seed;")


def test_with_settings_of_ones_own_nothing_is_held_against_the_paper(made_up):
    for settings, held in (({"step_size": 50.0}, False), ({"validate_every": 5}, True)):
        folder = made_up(
            {("irem", 0): FALLS}, size=20, settings=settings, folder=f"{held}", updates=10_000
        )
        assert bool(published(folder)) == held


def test_harder_cases_that_get_fewer_steps_are_no_more_effort(made_up):
    """Correlated over all, but the hardest case stops before the one below it."""
    hardness = np.arange(40.0)
    for i, (difficulty, stop) in enumerate((("same", 0), (2.0, 3), ("harder", 2))):
        energies = np.abs(np.arange(5)[:, None] - np.full(40, stop))
        folder = made_up(
            {("irem", 0): np.ones((5, 40))},
            task=Inverse(size=3),
            difficulty=difficulty,
            energies={("irem", 0): energies},
            hardness=hardness + 100 * i,
        )
    found = about(folder, THINKS_LONGER, "all cases")
    assert found.verdict == "not clear"
    assert found.sentence.startswith("1, 4, 3 steps on average.")


def test_claims_are_written_down(made_up, capsys):
    made_up({("irem", 0): WORSE, ("recurrent", 0): FALLS}, difficulty="same", updates=10_000)
    folder = made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE} | OTHERS)
    with pytest.raises(SystemExit) as ended:
        run_command(judge, [str(folder)])
    assert ended.value.code == 0
    text = (folder / "claims.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    first, *others = sections(claims(folder))
    assert text.index(first.claim) < text.index(others[0].claim)
    assert [*first.rows["verdict"]] == ["not reproduced", "reproduced"]
    # what both have in common is said above them, and what differs with the one that differs
    usual = "In brackets: 95 %, over problems alone, of one seed; 10,000 updates, as in the paper."
    assert " ".join(text.split()).count(usual) == 1
    assert text.count("5 updates, the paper 10,000)") == 1
    assert "- not tested: addition, n=3, same; addition, n=3, harder. There is no trace" in text


def test_that_harder_problems_get_more_steps_is_tested_within_a_case(made_up):
    hardness = np.arange(40.0)
    stops = (hardness // 10).astype(int)  # after 0 to 3 steps
    energies = np.abs(np.arange(5)[:, None] - stops)  # least there
    errors = {("irem", seed): np.ones((5, 40)) for seed in (0, 1)}
    given = {"energies": dict.fromkeys(errors, energies), "task": Inverse(size=3)}
    found = about(made_up(errors, hardness=hardness, **given), THINKS_LONGER, "harder")
    assert found.verdict == "reproduced"
    assert "correlation with the condition number is 0.97 [" in found.sentence
    assert "over problems and 2 seeds" in found.over
    less = made_up(errors, hardness=-hardness, folder="b", **given)
    assert about(less, THINKS_LONGER, "harder").verdict == "not reproduced"
    alike = {"energies": dict.fromkeys(errors, energies), "task": Addition(size=3)}
    found = about(made_up(errors, hardness=hardness, folder="c", **alike), THINKS_LONGER, "harder")
    assert found.verdict == "not tested"
    assert "By their largest input they differ by chance alone" in found.sentence
    unknown = about(made_up(errors, folder="d", **given), THINKS_LONGER, "harder")
    assert unknown.verdict == "not tested"


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.1, 0.2), (0.3, 0.4)], "reproduced"),
        ([(0.1, 0.2), (-0.4, -0.3)], "not reproduced"),  # one that is refuted refutes all
        ([(-0.1, 0.2), (-0.4, -0.3)], "not reproduced"),
        ([(np.nan, np.nan), (-0.4, -0.3)], "not reproduced"),
        ([(-0.1, 0.2), (0.3, 0.4)], "not clear"),
        ([(np.nan, np.nan), (0.3, 0.4)], "not clear"),
    ],
)
def test_a_conjunction_holds_where_all_of_it_does(intervals, verdict):
    assert all_above(intervals) == verdict
    assert all_above(intervals[::-1]) == verdict


def test_the_usual_line_has_the_fewest_settings_that_differ(made_up):
    folder = made_up({("irem", 0): FALLS}, settings={"learning_rate": 0.00012345678})
    made_up({("irem", 0): WORSE}, settings={"step_size": 1, "hidden": 8})
    comparison = next(comparisons(read_results(folder)))
    found = lines(comparison, folder, comparison.cases[0])
    assert len(found) == 2
    assert "learning_rate" in by_method(found)["irem"].settings


def test_that_there_is_one_seed_stands_beside_the_interval(made_up):
    alone = about(made_up({("irem", 0): FALLS, ("recurrent", 0): WORSE}), ERRS_LEAST).sentence
    assert "] (one seed of irem and recurrent)." in alone
    both = {("irem", seed): FALLS for seed in range(2)} | {("recurrent", 0): WORSE}
    assert "] (one seed of recurrent)." in about(made_up(both, folder="b"), ERRS_LEAST).sentence


def test_what_is_surely_gained_or_lost_needs_no_ratio(made_up):
    """The same difference in both seeds, of errors that differ by a factor of ten."""
    falls = [[9.0] * 10 + [base + 0.02] * 10 + [base] for base in (0.1, 1.0)]
    rises = [[9.0] * 10 + [base] * 10 + [base + 0.02] for base in (0.1, 1.0)]
    for name, seeds, verdict in (("falls", falls, "not clear"), ("rises", rises, "not reproduced")):
        errors = {("irem", seed): means for seed, means in enumerate(seeds)}
        found = about(made_up(errors, steps=(10, 20), folder=name), MORE_STEPS)
        assert found.verdict == verdict
