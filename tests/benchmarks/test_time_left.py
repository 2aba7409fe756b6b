import sys
import threading

import pandas as pd
import pytest

from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.runs import plan
from benchmarks.time_left import SPEED_COLUMNS, TimeLeft, Work, duration

NOTHING = pd.DataFrame(columns=SPEED_COLUMNS)


@pytest.fixture(scope="module")
def runs():
    """Two seeds of irem and two of feedforward, with one evaluation each and 100 updates."""
    chosen = {"tasks": ["addition"], "methods": ["irem", "feedforward"], "seeds": 2}
    chosen["difficulties"] = ["same"]
    return plan(with_options(checked(read_preset("smoke")), chosen, {}), {"train_iterations": 100})


def row(run, train_seconds, evaluation_seconds=1.0):
    return {
        "task": run.task.name,
        "method": run.method,
        "size": run.task.size,
        "settings": "{}",
        "train_iterations": 100,
        "train_seconds": train_seconds,
        "evaluation_seconds": evaluation_seconds,
    }


def of(runs, method):
    """What is left of the runs of a method of which nothing is done."""
    return [work for work in left_of(runs) if work.run.method == method]


def left_of(runs):
    return [Work(run, run.training.updates, len(evaluations)) for run, evaluations in runs]


def test_nothing_is_known_before_anything_was_measured(runs):
    assert TimeLeft([[work] for work in left_of(runs)], NOTHING, workers=2).seconds({}) == (
        0.0,
        False,
    )


def test_earlier_rows_of_the_folder_say_how_long_runs_take(runs):
    past = pd.DataFrame([row(run, 10.0) for run, _ in runs])
    # 4 runs of 10 s of training and 1 s of evaluation, 2 at a time
    assert TimeLeft([[work] for work in left_of(runs)], past, workers=2).seconds({}) == (22.0, True)


def test_a_finished_run_says_how_long_the_next_seed_takes(runs):
    irem = of(runs, "irem")
    left = TimeLeft([[work] for work in irem], NOTHING, workers=1)
    left.finish(irem[0].run, [row(irem[0].run, 30.0)])
    assert left.seconds({}) == (31.0, True)
    left.finish(irem[1].run, [row(irem[1].run, 50.0)])
    assert left.seconds({}) == (0.0, True)


def test_a_run_in_training_takes_as_long_as_its_speed_says(runs):
    first, second = of(runs, "irem")
    left = TimeLeft([[first], [second]], NOTHING, workers=1)
    assert left.seconds({first.run.key: 7.0}) == (7.0, False)  # the other one was never measured
    assert left.seconds({first.run.key: None}) == (0.0, False)  # nor was this one
    past = pd.DataFrame([row(first.run, 30.0)])
    left = TimeLeft([[first], [second]], past, workers=1)
    assert left.seconds({first.run.key: 7.0}) == (7.0 + 1.0 + 31.0, True)
    assert left.seconds({first.run.key: 0.0}) == (1.0 + 31.0, True)  # it is being evaluated


def test_a_sweep_takes_at_least_as_long_as_its_longest_job(runs):
    past = pd.DataFrame([row(run, 100.0 if run.method == "irem" else 1.0) for run, _ in runs])
    assert TimeLeft([[work] for work in left_of(runs)], past, workers=4).seconds({}) == (
        101.0,
        True,
    )


def test_seeds_that_are_trained_together_share_the_time(runs):
    irem = of(runs, "irem")
    keys = [work.run.key for work in irem]
    left = TimeLeft([irem], NOTHING, workers=1)
    assert left.seconds({keys[0]: 8.0, keys[1]: 8.0}) == (8.0, False)  # evaluations are not known


def test_what_is_done_already_takes_no_time(runs):
    first, second = of(runs, "irem")
    past = pd.DataFrame([row(first.run, 30.0, evaluation_seconds=2.0)])
    trained = first._replace(updates=0, evaluations=3)
    assert TimeLeft([[trained]], past, workers=1).seconds({}) == (6.0, True)
    half = second._replace(evaluations=0)
    assert TimeLeft([[half]], past, workers=1).seconds({}) == (30.0, True)


def test_threads_share_an_estimate(runs):
    first, second = of(runs, "irem")
    left = TimeLeft([[first], [second]], NOTHING, workers=1)
    left.finish(first.run, [row(first.run, 30.0)])
    over = threading.Event()

    def finish():
        for _ in range(100_000):
            if over.is_set():
                return
            left.finish(first.run, [row(first.run, 30.0)])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns often
    writer = threading.Thread(target=finish)
    writer.start()
    try:
        assert all(left.seconds({}) == (31.0, True) for _ in range(50))
    finally:
        over.set()
        writer.join()
        sys.setswitchinterval(interval)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (2e6, "555.6 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
