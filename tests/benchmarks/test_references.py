"""What errors are held against, of every test set once, computed when results are collected."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import references as module
from benchmarks.errors import UsageError
from benchmarks.references import NAME, UNKNOWN, Reference, reference, references, test_set
from benchmarks.runs import task_config
from benchmarks.schema import EARLIER, read_results
from benchmarks.store import Store
from irem_core.tasks import Addition, Completion, EdgeCopy, ShortestPath

test_set.__test__ = False
ASKED = {"size": 15, "difficulty": "harder", "problems": 50, "settings": "{}"}
PATHS = test_set(task_config(ShortestPath()), ASKED)
MADE = Reference(4.0, 3.0, 1.0, 0.5)


def rows_of(folder):
    """The rows of a folder as they are stored, by path."""
    return {path: json.loads(path.read_text()) for path in folder.glob("runs/*/*/rows.json")}


def test_the_columns_of_a_row_by_hand():
    columns = MADE.columns(mse=2.0)
    assert columns["skill"] == (4 - 2) / (4 - 1)
    assert (columns["mse_trivial"], columns["mse_row"], columns["mse_best"]) == (4, 3, 1)
    assert np.isnan(UNKNOWN.columns(2.0)["skill"])


def test_who_answers_makes_no_difference_and_what_is_asked_does():
    other = {**ASKED, "settings": json.dumps({"hidden": 8, "backtracking": True})}
    assert test_set(task_config(ShortestPath()), other) == PATHS
    for change in ({"size": 20}, {"problems": 40}, {"settings": '{"shortcut":true}'}):
        assert test_set(task_config(ShortestPath()), ASKED | change) != PATHS
    assert test_set(task_config(ShortestPath(size=12)), ASKED) != PATHS


def test_one_linear_pass_errs_less_than_what_sees_one_entry_alone():
    found = reference(PATHS)
    assert 0 < found.mse_row < found.mse_trivial < 0.04
    assert (found.mse_best, found.mse_best_uncertainty) == (0, 0)


def test_there_is_no_linear_pass_where_the_answer_is_entrywise():
    found = reference(test_set(task_config(EdgeCopy()), ASKED))
    assert np.isnan(found.mse_row)
    assert found.mse_trivial == pytest.approx(1 / 3, rel=0.05)


def test_without_a_known_floor_there_is_no_skill():
    asked = {**ASKED, "size": 3, "difficulty": "same"}
    found = reference(test_set(task_config(Completion(size=3)), asked))
    assert np.isnan(found.mse_best)
    assert found.mse_trivial > 0


@pytest.mark.parametrize("times", [1, 2])
def test_an_expression_is_held_against_its_exact_answer(times):
    settings = {"expression": "addition(_, inverse(t))", "parts": ["inverse(size=3)"]}
    settings |= {"times": times} if times > 1 else {}
    asked = {"size": 3, "difficulty": "same", "problems": 40, "settings": json.dumps(settings)}
    found = reference(test_set(task_config(Addition(size=3)), asked))
    assert found.mse_best == 0
    assert found.mse_trivial > 0


def test_a_reference_is_computed_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "reference", lambda name: MADE)
    assert references(tmp_path, [PATHS, PATHS]) == {PATHS: MADE}
    monkeypatch.setattr(module, "reference", None)  # a second time would fail
    assert references(tmp_path, [PATHS]) == {PATHS: MADE}
    other = MADE._replace(mse_trivial=9.0)
    monkeypatch.setattr(module, "reference", lambda name: other)
    monkeypatch.setattr(module, "LADDER", module.LADDER + 1)
    assert references(tmp_path, [PATHS]) == {PATHS: other}


def test_a_file_that_cannot_be_read_is_made_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "reference", lambda name: MADE)
    (tmp_path / NAME).write_text("test_set,ladder\n")
    assert references(tmp_path, [PATHS]) == {PATHS: MADE}
    assert "cannot be read, so it is made again" in caplog.text


def test_the_task_of_a_plugin_that_is_not_loaded_has_no_reference_yet(tmp_path, caplog):
    name = test_set({"name": "sorting", "size": 15}, ASKED)
    assert references(tmp_path, [name]) == {name: UNKNOWN}
    assert "There is no skill of" in caplog.text
    assert not (tmp_path / NAME).exists()


def test_what_rows_said_before_counts_no_more(made_up):
    folder = made_up({("irem", 0): [1.0, 0.5, 0.5, 0.25, 0.25]})
    for path, rows in rows_of(folder).items():
        assert not any("skill" in row or "mse_trivial" in row for row in rows)
        stale = [row | {"skill": 7.0, "mse_trivial": 7.0, "mse_best": 7.0} for row in rows]
        path.write_text(json.dumps(stale))
    results = Store(folder).collect()
    assert set(results["mse_trivial"]) == {1.0}
    assert results["skill"].to_numpy() == pytest.approx(1 - results["mse"].to_numpy())


def test_results_of_an_earlier_version_are_collected_again(made_up):
    folder = made_up({("irem", 0): [1.0, 0.5, 0.5, 0.25, 0.25]})
    path = folder / "results.csv"
    now = pd.read_csv(path, keep_default_na=False)
    now[[*EARLIER]].to_csv(path, index=False)
    with pytest.raises(UsageError, match="To make it again from the runs beside it"):
        read_results(folder)
    Store(folder).collect()
    pd.testing.assert_frame_equal(pd.read_csv(path, keep_default_na=False), now)


@pytest.mark.parametrize("wrong", [{"hidden": 8}, {"size": -1}, {"size": "many"}])
def test_a_row_whose_task_cannot_be_made_costs_its_own_skill_only(tmp_path, wrong, caplog):
    broken = test_set({"name": "addition", "size": 3, **wrong}, ASKED)
    assert references(tmp_path, [broken]) == {broken: UNKNOWN}
    assert "There is no skill of" in caplog.text


def test_no_predictor_that_is_fitted_to_entrywise_tasks_counts():
    settings = {"expression": "edge_copy(w)"}
    asked = {"size": 10, "difficulty": "same", "problems": 40, "settings": json.dumps(settings)}
    assert reference(test_set(task_config(EdgeCopy()), asked)).mse_trivial > 0.1


def test_a_damaged_configuration_costs_its_own_runs_skill_only(made_up, caplog):
    folder = made_up({(name, 0): [1.0, 0.5, 0.5, 0.25, 0.25] for name in ("irem", "feedforward")})
    rows = read_results(folder)
    key = rows.loc[rows["method"] == "irem", "run_key"].iloc[0]
    (folder / "runs" / key / "config.json").write_text("{")
    results = Store(folder).collect()
    assert results.loc[results["method"] == "irem", "skill"].isna().all()
    assert results.loc[results["method"] == "feedforward", "skill"].notna().all()
    assert "cannot be read, so its run has no skill" in caplog.text


def test_a_run_that_was_not_trained_needs_no_reference(made_up, caplog):
    folder = made_up({("irem", 0): [1.0, 0.5, 0.5, 0.25, 0.25]})
    for path in folder.glob("runs/*/config.json"):
        path.unlink()
    assert Store(folder).collect()["mse_trivial"].isna().all()
    assert caplog.text == ""


def test_errors_that_are_not_finite_have_a_reference(made_up):
    """So that their cases count where methods are compared over all cases."""
    results = read_results(made_up({("irem", 0): [1.0, np.nan, np.nan, np.nan, np.nan]}))
    assert (results["status"] == "diverged").all()
    assert (results["mse_best"] == 0).all()
    assert results["skill"].isna().all()
