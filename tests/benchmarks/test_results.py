"""Looking after a folder of results."""

import json
import os
import shutil
import stat
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.animation import PillowWriter

from benchmarks.cases import comparisons
from benchmarks.cli import run_app
from benchmarks.figures.answers import animation, answers
from benchmarks.figures.landscape import energy_landscape
from benchmarks.figures.paths import shortest_paths
from benchmarks.lines import lines
from benchmarks.measures import measures
from benchmarks.report.explorer import explorer
from benchmarks.results import app
from benchmarks.schema import read_results
from benchmarks.shown import drawn, example_steps
from benchmarks.store import Store
from benchmarks.sweep import run_command, sweep
from benchmarks.tables import tables, write_tables

TINY = ["--preset", "smoke", "--tasks", "addition", "--methods", "irem,trivial", "--threads", "1"]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        run_app(app, [str(argument) for argument in arguments])
    return ended.value.code


def swept(folder, *options):
    with pytest.raises(SystemExit):
        run_command(sweep, [*TINY, *map(str, options), "--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return swept(tmp_path_factory.mktemp("results"), "--seeds", 2)


@pytest.fixture
def folder(results, tmp_path):
    return shutil.copytree(results, tmp_path / "copy")


def test_status_counts_runs_and_names_what_went_wrong(folder, capsys):
    swept(folder, "--set", "irem.step_size=1e38")
    for key in ("0123456789abcdef", "fedcba9876543210"):
        (folder / "working" / f"{key}.progress").write_text("17")
    capsys.readouterr()
    with Store(folder).lock("0123456789abcdef"):
        assert run("status", folder) == 0
    said = capsys.readouterr().out
    assert "fedcba9876543210" not in said  # left by a process that was killed
    assert "|addition|irem|1|2|" in said.replace(" ", "")  # one has diverged, two are ok
    assert "0123456789abcdef: at work, 17 updates" in said
    assert "irem on addition, seed 0: irem on addition(size=3), seed 0: at update 1 the" in said


def test_collect_makes_the_csv_again(folder):
    before = (folder / "results.csv").read_bytes()
    (folder / "results.csv").unlink()
    assert run("collect", folder) == 0
    assert (folder / "results.csv").read_bytes() == before


def test_merging_takes_over_what_is_not_there(folder, tmp_path):
    other = swept(tmp_path / "other", "--methods", "irem", "--seeds", 3)
    parts = swept(tmp_path / "parts", "--methods", "trivial")
    assert run("merge", tmp_path / "all", parts, other) == 0
    merged = read_results(tmp_path / "all")
    assert set(merged["seed"]) == {0, 1, 2}
    assert set(merged["method"]) == {"irem", "trivial_constant", "trivial_copy"}
    assert run("merge", tmp_path / "all", folder) == 0  # the same numbers once more
    pd.testing.assert_frame_equal(read_results(tmp_path / "all"), merged)
    before = {path: path.read_bytes() for path in tmp_path.glob("all/runs/*/*/rows.json")}
    swept(tmp_path / "all", "--seeds", 3)
    assert before == {path: path.read_bytes() for path in before}  # nothing was left to do


def test_merging_unites_budgets_of_one_evaluation(tmp_path):
    few = swept(tmp_path / "few", "--methods", "irem", "--steps", "1,2")
    many = swept(tmp_path / "many", "--methods", "irem", "--steps", "2,9")
    assert run("merge", few, many) == 0
    assert set(read_results(few)["steps"]) == {1, 2, 9}
    assert pd.read_parquet(next(few.glob("runs/*/*/trace.parquet")))["step"].max() == 9
    assert run("merge", many, few) == 0
    assert set(read_results(many)["steps"]) == {1, 2, 9}


def test_what_is_trimmed_is_as_good_as_the_whole(folder, capsys):
    swept(folder, "--preset", "search", "--smoke", "--methods", "irem,trivial")  # has starts
    whole = shutil.copytree(folder, folder.parent / "whole")
    assert run("trim", folder, "--problems", 3) == 0
    assert (folder / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    for path in folder.glob("runs/*/*/trace.parquet"):
        assert set(pd.read_parquet(path)["problem"]) == {0, 1, 2}
        before = pd.read_parquet(whole / path.relative_to(folder))
        errors = pd.read_parquet(path.with_name("errors.parquet"))
        last = before[before["step"] == before["step"].max()].sort_values("problem")
        assert errors["last"].tolist() == last["error"].tolist()
    starts = list(whole.glob("runs/*/*/starts.parquet"))
    assert starts
    for path in starts:
        assert (folder / path.relative_to(whole)).read_bytes() == path.read_bytes()
    for path in whole.glob("runs/*/*/rows.json"):
        first = json.loads(path.read_text())[0]
        kept = folder / path.relative_to(whole)
        examples = kept.with_name("examples.parquet")
        assert examples.exists() == (first["seed"] == 0)  # the explorer shows all methods
        weights = first["seed"] == 0 and first["method"] == "irem"
        assert (path.parents[1] / "method.safetensors").exists()
        assert (kept.parents[1] / "method.safetensors").exists() == weights
    assert len(list(whole.glob("runs/*/*/landscape.parquet"))) > 1
    assert len(list(folder.glob("runs/*/*/landscape.parquet"))) == 1  # that of the figure
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run("trim", folder, "--problems", 3) == 0  # once more
    assert before == {path: path.read_bytes() for path in before}
    assert run("trim", folder, "--problems", 2) == 0  # and the errors are of all problems yet
    for path, content in before.items():
        assert (path.read_bytes() == content) == (path.name != "trace.parquet")


def test_a_file_whose_content_stays_is_not_written(folder):
    assert run("trim", folder) == 0
    for path in folder.glob("runs/*/*/*.parquet"):  # as another version may have written them
        pd.read_parquet(path).to_parquet(path, compression="gzip", index=False)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*")}
    assert run("trim", folder) == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*")}


def test_examples_are_cut_to_the_steps_that_are_shown(folder):
    swept(folder, "--methods", "irem", "--steps", "1,60")
    assert run("trim", folder) == 0
    steps = []
    for path in folder.glob("runs/*/*/examples.parquet"):
        examples = pd.read_parquet(path)
        assert set(examples["problem"]) == {0}
        assert set(examples["kind"]) == {"input", "target", "answer"}
        answers = examples.loc[examples["kind"] == "answer", "step"]
        steps.append(answers.tolist())
        assert answers.tolist() == example_steps(answers.max())
    assert max(map(max, steps)) == 60
    assert max(map(len, steps)) < 30


def pictures(folder, tmp_path):
    """The figures that show an example or a landscape, as files of few pixels."""
    (comparison,) = comparisons(drawn(read_results(folder, made=False)))
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    for make in (answers, energy_landscape):
        make("Addition", cases, folder).savefig(tmp_path / f"{make.__name__}.png", dpi=50)
    moving = animation("Addition", cases, folder)
    moving.save(tmp_path / "animation.gif", writer=PillowWriter(fps=4), dpi=30)
    return {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}


def test_figures_and_report_of_what_is_trimmed_are_the_same(folder, tmp_path):
    """Beside a folder whose examples are cut to the first problem alone, of which they are."""
    swept(folder, "--methods", "irem", "--steps", "1,60")
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    for path in whole.glob("runs/*/*/examples.parquet"):
        examples = pd.read_parquet(path)
        examples[examples["problem"] == 0].to_parquet(path, index=False)
    assert run("trim", folder, "--problems", 1000) == 0
    assert pictures(folder, tmp_path) == pictures(whole, tmp_path)
    results = read_results(folder)
    made = explorer(folder, results)
    assert made == explorer(whole, results)
    assert explorer(folder, results, 5_000) == explorer(whole, results, 5_000)
    (of_case, *_) = made.comparisons[0]["cases"]
    assert len(of_case["lines"][0]["problems"][0]["steps"]) == 20


def test_without_a_report_examples_are_those_of_figures_alone(folder, tmp_path):
    before = pictures(folder, tmp_path)
    assert run("trim", folder, "--examples", "figures") == 0
    (examples,) = folder.glob("runs/*/*/examples.parquet")
    row = json.loads(examples.with_name("rows.json").read_text())[0]
    assert (row["method"], row["difficulty"], row["seed"]) == ("irem", "harder", 0)
    assert pictures(folder, tmp_path) == before


SHOWN = """
base = "smoke"
tasks = ["addition", "shortest_path"]
methods = ["irem", "trivial"]
difficulties = ["same", "harder"]
tests = [{ expression = "addition(_, a)" }, { expression = "addition(_, a)", times = 2 }]
"""


def paths_drawn(folder):
    """The figure of shortest paths, in few pixels."""
    found = comparisons(drawn(read_results(folder, made=False)))
    (comparison,) = [one for one in found if one.title == "shortest_path"]
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    buffer = BytesIO()
    shortest_paths("Shortest path", cases, folder).savefig(buffer, dpi=50)
    return buffer.getvalue()


def test_paths_and_sums_that_are_shown_are_kept(tmp_path):
    (tmp_path / "shown.toml").write_text(SHOWN)
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, ["--preset", str(tmp_path / "shown.toml"), "--out", str(tmp_path / "X")])
    assert ended.value.code == 0
    folder = tmp_path / "X"
    table, paths = write_tables(folder), paths_drawn(folder)
    assert "one sum written out" in table
    before = len(list(folder.glob("runs/*/*/examples.parquet")))
    assert run("trim", folder, "--examples", "figures") == 0
    assert len(list(folder.glob("runs/*/*/examples.parquet"))) < before / 2
    assert (write_tables(folder), paths_drawn(folder)) == (table, paths)


def test_what_a_sweep_finishes_while_a_folder_is_trimmed_is_left_alone(folder, monkeypatch):
    evaluation = next(folder.glob("runs/*/*/examples.parquet")).parent
    hidden = evaluation.rename(folder / "not there yet")

    def shown(store, report):
        hidden.rename(evaluation)  # it is finished just now
        return {"examples.parquet": set(), "landscape.parquet": set()}

    names = {path.name for path in hidden.iterdir()}
    monkeypatch.setattr("benchmarks.results._shown", shown)
    assert run("trim", folder) == 0
    assert {path.name for path in evaluation.iterdir()} == names
    assert list(folder.glob("runs/*/*/examples.parquet")) == [evaluation / "examples.parquet"]


def test_parameters_of_other_methods_are_kept_if_asked_for(folder):
    for path in folder.glob("runs/*/*/rows.json"):
        rows = json.loads(path.read_text())
        if rows[0]["method"] == "irem":
            path.write_text(json.dumps([row | {"method": "of_a_plugin"} for row in rows]))
    other = shutil.copytree(folder, folder.parent / "other")
    assert run("trim", folder, "--weights", "all") == 0
    seeds = [
        json.loads(next(path.parent.glob("*/rows.json")).read_text())[0]["seed"]
        for path in folder.glob("runs/*/method.safetensors")
    ]
    assert seeds == [0]  # trivial predictors do not learn
    assert run("trim", other) == 0
    assert not list(other.glob("runs/*/method.safetensors"))


def test_of_a_task_that_is_not_loaded_all_examples_are_kept(folder):
    for path in folder.glob("runs/*/*/rows.json"):
        rows = json.loads(path.read_text())
        path.write_text(json.dumps([row | {"task": "of_a_plugin"} for row in rows]))
    names = {path for path in folder.glob("runs/*/*/*") if path.name != "rows.json"}
    assert run("trim", folder, "--examples", "figures") == 0
    assert names <= {*folder.glob("runs/*/*/*")}


def test_of_what_is_trimmed_errors_are_the_same_and_nothing_is_left_to_do(folder):
    numbers = measures(folder, read_results(folder, made=False))
    assert run("trim", folder, "--problems", 2) == 0
    trimmed = measures(folder, read_results(folder, made=False))
    assert (trimmed["traced"] == 2).all()
    same = ["mse", "mse_low", "mse_high", "over", "best", "skill", "skill_low", "skill_high"]
    pd.testing.assert_frame_equal(trimmed[same], numbers[same])
    results = read_results(folder)
    comparison, *_ = comparisons(results[results["selection"] == "last"])
    for case in comparison.cases:
        for line in lines(comparison, folder, case):
            assert line.curve["error"].iloc[-1] == pytest.approx(line.done["mse"].iloc[-1])
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*")}
    swept(folder, "--seeds", 2)
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*")}


def test_seeds_that_are_trimmed_go_together_with_others(folder):
    assert run("trim", folder, "--problems", 2) == 0
    swept(folder, "--seeds", 3)
    found = measures(folder, read_results(folder, made=False))
    irem = found[found["line"] == "irem"]
    assert (irem["traced"] == 2).all()
    assert (irem["seeds"] == 3).all()
    rows = read_results(folder).query("method == 'irem' and selection == 'last'")
    last = rows[rows["steps"] == rows["steps"].max()].groupby("difficulty")["mse"].mean()
    assert sorted(irem["mse"]) == pytest.approx(sorted(last))


def test_a_trimmed_trace_without_the_errors_of_all_says_nothing(folder):
    assert run("trim", folder, "--problems", 2) == 0
    for path in folder.glob("runs/*/*/errors.parquet"):
        path.unlink()
    found = measures(folder, read_results(folder, made=False))
    assert (found["traced"] == 0).all()
    assert found["anytime"].isna().all()


def test_what_a_run_has_still_to_do_is_done_with_its_parameters(folder):
    undone = sorted(folder.glob("runs/*/method.safetensors"))
    for path in undone:
        sorted(path.parent.glob("*/rows.json"))[0].unlink()
    assert run("trim", folder, "--problems", 2) == 0
    assert all(path.exists() for path in undone)


def test_a_longer_trace_takes_the_place_of_a_trimmed_one(folder):
    assert run("trim", folder, "--problems", 2) == 0
    swept(folder, "--steps", "1,9")
    found = measures(folder, read_results(folder, made=False))
    irem = found[found["line"] == "irem"]
    assert (irem["traced"] > 2).all()
    rows = read_results(folder).query("method == 'irem' and steps == 9 and selection == 'last'")
    assert irem["mse"].mean() == pytest.approx(rows["mse"].mean())


def test_a_run_that_is_being_executed_is_not_trimmed(folder, capsys):
    store = Store(folder)
    before = {path: path.read_bytes() for path in folder.glob("runs/*/*/*")}
    with ExitStack() as locks:
        for path in folder.glob("runs/*"):
            locks.enter_context(store.lock(path.name))
        assert run("trim", folder, "--problems", 2) == 0
    assert "a process is at it" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in folder.glob("runs/*/*/*")}


def test_merging_unites_what_was_asked_for(folder, tmp_path):
    other = swept(tmp_path / "other", "--methods", "irem", "--seeds", 3)
    assert run("merge", folder, other) == 0
    asked = Store(folder).asked()
    assert asked.query("method == 'irem'")["seed"].tolist() == [0, 1, 2]
    assert set(asked["run_key"]) == set(Store(folder).frame()["run_key"])


def test_a_run_that_is_being_executed_is_not_merged_into(folder, results, capsys):
    store = Store(folder)
    key = sorted(folder.glob("runs/*"))[0].name
    with store.lock(key):
        assert run("merge", folder, results) == 1
    assert "a process is at this run" in capsys.readouterr().out


def test_a_csv_with_rows_of_runs_elsewhere_is_never_overwritten(folder, capsys):
    shutil.rmtree(sorted(folder.glob("runs/*"))[0])
    before = (folder / "results.csv").read_bytes()
    for command in ("collect", "clean"):
        assert run(command, folder) == 2
        assert "would be lost" in capsys.readouterr().err
        assert (folder / "results.csv").read_bytes() == before


def test_results_of_another_schema_are_refused_and_left_alone(folder, capsys):
    path = sorted(folder.glob("runs/*/*/rows.json"))[0]
    path.write_text(path.read_text().replace('"schema": 3', '"schema": 2'))
    before = {path: path.read_bytes() for path in folder.glob("runs/*/*/*")}
    for command in ("status", "collect", "clean"):
        assert run(command, folder) == 2
        assert "another schema than 3" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.glob("runs/*/*/*")}


def test_conflicts_are_named_and_nothing_is_overwritten(folder, results, capsys):
    path = sorted(folder.glob("runs/*/*/rows.json"))[0]
    rows = json.loads(path.read_text())
    rows[0]["mse"] += 1
    path.write_text(json.dumps(rows))
    before = path.read_bytes()
    assert run("merge", folder, results) == 1
    said = capsys.readouterr().out
    assert "has other numbers than" in said
    assert str(path.parent) in said
    assert path.read_bytes() == before


def test_what_is_damaged_is_named_and_not_merged(folder, tmp_path, capsys):
    path = sorted(folder.glob("runs/*/*/trace.parquet"))[0]
    path.unlink()
    assert run("merge", tmp_path / "all", folder) == 1
    assert f"{path.parent} is damaged, or has no whole trace" in capsys.readouterr().out
    assert len(read_results(tmp_path / "all")) < len(read_results(folder))


@pytest.mark.processes
def test_a_result_replaces_a_failure(tmp_path):
    options = ["--methods", "irem", "--set", "train_iterations=100000"]
    failed = swept(tmp_path / "failed", *options, "--timeout", 1)
    assert set(read_results(failed)["status"]) == {"timeout"}
    store = Store(failed)
    (key,) = set(store.frame()["run_key"])
    good = shutil.copytree(failed, tmp_path / "good")
    for path in good.glob("runs/*/*/rows.json"):
        rows = [row | {"status": "ok", "mse": 0.5} for row in json.loads(path.read_text())]
        path.write_text(json.dumps(rows))
        for name in ("trace.parquet", "examples.parquet"):
            pd.DataFrame({"step": [0]}).to_parquet(path.with_name(name))
    assert run("merge", failed, good) == 0
    assert set(read_results(failed)["status"]) == {"ok"}
    assert set(read_results(failed)["run_key"]) == {key}


def test_clean_removes_leftovers_and_no_result(folder, capsys):
    before = read_results(folder)
    run_folder = sorted(folder.glob("runs/*/method.safetensors"))[0].parent
    leftovers = [run_folder / name for name in ("curve.csv.1.part", "rows.json.damaged")]
    leftovers.append(run_folder / "state-0.001.safetensors")
    for path in leftovers:
        path.write_text("")
    assert run("clean", folder, "--dry-run") == 0
    assert all(path.exists() for path in leftovers)
    assert run("clean", folder) == 0
    said = capsys.readouterr().out
    assert all(str(path) in said and not path.exists() for path in leftovers)
    pd.testing.assert_frame_equal(read_results(folder), before)


def test_clean_failed_removes_runs_without_a_result(folder):
    swept(folder, "--methods", "irem", "--set", "irem.step_size=1e38")
    assert "diverged" in set(read_results(folder)["status"])
    assert run("clean", folder, "--failed") == 0
    assert set(read_results(folder)["status"]) == {"ok"}


def test_what_a_process_is_at_is_left_alone(folder):
    store = Store(folder)
    run_folder = sorted(folder.glob("runs/*"))[0]
    (run_folder / "x.part").write_text("")
    with store.lock(run_folder.name):
        assert run("clean", folder) == 0
        assert (run_folder / "x.part").exists()


@pytest.mark.parametrize("command", ["status", "collect", "clean"])
def test_a_folder_that_is_none(command, tmp_path, capsys):
    assert run(command, tmp_path) == 2
    assert f"{tmp_path} is no folder of results" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_said_in_a_sentence(folder, monkeypatch, capsys):
    def read_only(path, *rest):
        raise OSError(30, "Read-only file system", str(path))

    for module in ("store", "tables", "claims"):
        monkeypatch.setattr(f"benchmarks.{module}.write_whole", read_only)
    assert run("collect", folder) == 2
    with pytest.raises(SystemExit) as ended:
        run_command(tables, [str(folder)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("Read-only file system.") == 2
    assert "Traceback" not in said


def test_other_users_of_a_folder_can_take_its_locks(folder):
    before = os.umask(0o022)
    try:
        Store(folder).collect()
    finally:
        os.umask(before)
    (lock,) = folder.glob("working/results.lock")
    assert stat.S_IMODE(lock.stat().st_mode) == 0o666
