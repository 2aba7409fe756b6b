"""The command line, as its users meet it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli import run_command
from benchmarks.errors import UsageError
from benchmarks.execute import execute
from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.presets import named_presets
from benchmarks.registry import ADDED, METHODS
from benchmarks.runs import Run, plan
from benchmarks.schema import read_results
from benchmarks.settings import settings_for
from benchmarks.store import Store
from benchmarks.sweep import sweep
from benchmarks.time_left import measured_speed
from benchmarks.training import Execution
from irem_core.tasks import Addition

TINY = ["--preset", "smoke", "--tasks", "addition", "--methods", "irem,trivial", "--threads", "1"]
NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]
NOT_RESULTS += ["dirty", "commit"]


def run(*arguments) -> int:
    """The exit code of the command with these arguments."""
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [str(argument) for argument in arguments])
    return ended.value.code


def complaint(capsys, *arguments) -> str:
    """What a usage error says, on stderr and nowhere else."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


def numbers(folder: Path) -> pd.DataFrame:
    return read_results(folder).drop(columns=NOT_RESULTS)


@pytest.mark.processes
def test_two_jobs_give_the_same_numbers_as_one(tmp_path):
    assert run(*TINY, "--out", tmp_path / "one") == 0
    assert run(*TINY, "--jobs", 2, "--out", tmp_path / "two") == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "one"), numbers(tmp_path / "two"))


def test_nothing_is_run_twice_and_more_steps_do_not_train_again(tmp_path):
    assert run(*TINY, "--out", tmp_path) == 0
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    first = read_results(tmp_path)
    assert run(*TINY, "--out", tmp_path) == 0
    pd.testing.assert_frame_equal(read_results(tmp_path), first)
    assert run(*TINY, "--steps", "2,7", "--out", tmp_path) == 0
    assert set(read_results(tmp_path)["steps"]) == {1, 2, 5, 7}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == weights


def test_settings_of_one_method_and_of_all(tmp_path):
    options = ["--set", "hidden=8", "--set", "irem.hidden=4", "--train-iterations", 3]
    assert run("--preset", "smoke", "--tasks", "addition", *options, "--out", tmp_path) == 0
    results = read_results(tmp_path).set_index("method")
    assert '"hidden":4' in results.loc["irem", "settings"].iloc[0]
    assert '"hidden":8' in results.loc["feedforward", "settings"].iloc[0]
    assert (results.loc[["irem", "feedforward"], "train_iterations"] == 3).all()


def test_difficulty_can_be_a_number_and_dtype_float64(tmp_path):
    options = ["--difficulties", "same,1.5", "--dtype", "float64"]
    assert run(*TINY, *options, "--out", tmp_path) == 0
    results = read_results(tmp_path)
    assert set(results["difficulty"]) == {"same", "1.5"}
    assert set(results["dtype"]) == {"float64"}


def test_a_run_that_fails_costs_only_itself(tmp_path, capsys):
    assert run(*TINY, "--set", "step_size=1e38", "--out", tmp_path) == 1
    results = read_results(tmp_path).set_index("method")
    assert (results.loc["irem", "status"] == "diverged").all()
    assert results.loc["irem", "error"].str.contains("seed 0: at update 1 the").all()
    assert (results.loc["trivial_copy", "status"] == "ok").all()
    assert "1 of 3 runs did not finish" in capsys.readouterr().out
    assert "DivergedError" in next(tmp_path.glob("runs/*/error.txt")).read_text()
    assert "Not finished" in (tmp_path / "table.md").read_text()


def test_runs_with_other_settings_are_lines_of_their_own(tmp_path):
    for step_size in (1.0, 2.0):
        options = ["--methods", "irem", "--set", f"irem.step_size={step_size}"]
        assert run("--preset", "smoke", "--tasks", "addition", *options, "--out", tmp_path) == 0
    table = (tmp_path / "table.md").read_text()
    assert "| irem (step_size=1.0)" in table
    assert "| irem (step_size=2.0)" in table


def test_what_is_said_last_goes_first(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = []
    for options in ([], ["--set", "stored=8"], ["--set", "irem.stored=8"]):
        assert run("--dry-run", *TINY, *options) == 0
        keys.append(capsys.readouterr().out.split()[0])
    assert keys[0] != keys[1] == keys[2]


def test_a_variant_of_a_task_is_its_own_run(tmp_path):
    options = ["--tasks", "connected_components", "--methods", "trivial_linear"]
    options += ["--set", "connected_components.mean_degree=1.0"]
    assert run("--preset", "smoke", *options, "--out", tmp_path) == 0
    assert (read_results(tmp_path)["settings"] == '{"mean_degree":1.0}').all()


def test_a_variant_stands_apart_from_the_task_that_it_varies(tmp_path):
    options = ["--preset", "smoke", "--tasks", "completion", "--methods", "trivial_copy"]
    assert run(*options, "--out", tmp_path) == 0
    assert run(*options, "--set", "completion.rank=1", "--out", tmp_path) == 0
    table = (tmp_path / "table.md").read_text()
    assert "## completion, n=3\n" in table
    assert "## completion, n=3, rank=1\n" in table


def test_one_difficulty_alone_is_not_called_unfinished(tmp_path):
    assert run(*TINY, "--out", tmp_path) == 0
    options = ["--preset", "smoke", "--tasks", "addition", "--methods", "feedforward"]
    assert run(*options, "--difficulties", "same", "--steps", 9, "--out", tmp_path) == 0
    assert "did not finish" not in (tmp_path / "table.md").read_text()


@pytest.mark.draws
def test_errors_that_grow_without_bound_are_a_result(tmp_path):
    options = ["--set", "step_size=1e25", "--train-iterations", "0", "--steps", "1,20"]
    assert run(*TINY, *options, "--out", tmp_path) == 0  # that they grow is the result
    assert "diverged" in set(read_results(tmp_path)["status"])
    assert "not finite within" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "figures" / "skill.png").exists()


def test_a_training_that_is_cut_off_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    chosen = {"tasks": ["addition"], "methods": ["irem"]}
    job = plan(with_options(checked(read_preset("smoke")), chosen, {}), {})
    assert execute(job, tmp_path / "whole", Execution(threads=1)) == ["ok"]
    updates = []

    def beat(heartbeat, done):
        updates.append(done)
        if updates == [*range(1, 8)]:
            raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.execute.Heartbeat.__call__", beat)
    with pytest.raises(KeyboardInterrupt):
        execute(job, tmp_path / "cut", Execution(threads=1))
    assert list(tmp_path.glob("cut/runs/*/state-*.safetensors"))
    assert not list(tmp_path.glob("cut/runs/*/method.safetensors"))
    assert execute(job, tmp_path / "cut", Execution(threads=1)) == ["ok"]
    assert updates == [*range(1, 8), *range(6, 11)]  # the state is of update 5
    for name in ("whole", "cut"):
        Store(tmp_path / name).collect()
    pd.testing.assert_frame_equal(numbers(tmp_path / "cut"), numbers(tmp_path / "whole"))


def test_dry_run_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("--dry-run", "--preset", "paper", "--tasks", "inverse") == 0
    said = capsys.readouterr().out
    assert "irem on inverse(size=20), seed 4: 20 same, 20 harder; up to 80 steps" in said
    assert list(tmp_path.iterdir()) == []


def test_a_forecast_counts_the_updates_of_every_learning_rate():
    tuned = {"train_iterations": 50, "learning_rates": [1e-4, 1e-3]}
    run = Run("irem", Addition(size=3), settings_for("irem", "matrix", [tuned]), seed=0)
    past = {"task": "addition", "method": "irem", "size": 3, "evaluation_seconds": 1.0}
    past |= {"train_seconds": 600.0, "train_iterations": 100}  # of the rate that was chosen
    for settings, seconds in (("{}", 600.0), ('{"learning_rates":[1e-4,1e-3,1e-2]}', 200.0)):
        known = pd.DataFrame([past | {"settings": settings}])
        expected = measured_speed(run, known).seconds(run.training.updates, evaluations=2)
        assert expected == pytest.approx(2 + seconds)


def test_a_preset_of_ones_own(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text(
        """
        tasks = ["inverse"]
        methods = ["trivial_linear"]
        difficulties = ["same"]
        seeds = 1
        problems = 4
        [matrix]
        sizes = [2, 3]
        steps = [1]
        [graph]
        sizes = [10]
        steps = [1]
        """
    )
    assert run("--preset", preset, "--out", tmp_path / "out") == 0
    assert read_results(tmp_path / "out")["size"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tasks", "additoin"], "Unknown task 'additoin'. Did you mean 'addition'?"),
        (["--methods", "irm"], "Unknown method 'irm'. Did you mean 'irem'?"),
        (["--methods", ""], "methods must name at least one."),
        (["--preset", "quik"], "Unknown preset 'quik'. Did you mean 'quick'?"),
        (["--set", "hiden=3"], "Unknown setting 'hiden'. Did you mean 'hidden'?"),
        (["--set", "irem.hiden=3"], "Unknown setting of irem 'hiden'. Did you mean 'hidden'?"),
        (["--set", "irm.hidden=3"], "Did you mean 'irem'?"),
        (["--set", "hidden"], "--set takes name=value, not 'hidden'."),
        (["--set", "hidden=wide"], "'hidden' takes a whole number, not 'wide'."),
        (["--set", "hidden=0"], "hidden must be a whole number from 1 on, not 0"),
        (["--set", "truncated=1"], "'truncated' takes true or false, not 1."),
        (["--set", "batch=100"], "a batch of 100 cannot have"),
        (["--sizes", "0"], "--sizes takes whole numbers from 1 on, separated by commas, not '0'."),
        (["--sizes", "big"], "--sizes takes whole numbers from 1 on"),
        (["--steps", "0"], "--steps takes whole numbers from 1 on"),
        (
            ["--steps", "1,x"],
            "--steps takes whole numbers from 1 on, separated by commas, not '1,x'.",
        ),
        (["--difficulties", "hard"], "Unknown difficulty 'hard'. Did you mean 'harder'?"),
        (["--difficulties", "-1"], "Unknown difficulty '-1.0'."),
        (["--seeds", "0"], "seeds must be at least 1, not 0."),
        (["--set", "irem=3"], "'irem' is no setting; write irem.SETTING"),
        (["--set", "irem=3", "--set", "irem.hidden=3"], "is not a setting of its own"),
        (
            ["--set", "addition.scael=3"],
            "Unknown setting of addition 'scael'. Did you mean 'scale'?",
        ),
        (["--set", "addition.scale=-1"], "scale must be a positive number, not -1"),
        (["--train-iterations", "-1"], "train_iterations must be a whole number from 0 on"),
        (["--device", "cud"], "Unknown device 'cud'. Did you mean 'cuda'?"),
        (["--dtype", "float16"], "dtype must be one of float32, float64, mixed, not 'float16'"),
        (["--tasks", "addition", "--methods", "trivial_linear"], "can be asked"),
        (
            ["--tasks", "shortest_path", "--sizes", "10", "--difficulties", "harder"],
            "shortest_path: none of the sizes [10] is of difficulty ['harder']",
        ),
        (
            ["--set", "connected_components.probability=2", "--tasks", "connected_components"],
            "at most 1",
        ),
        (["--jobs", "0"], "--jobs"),
        (["--threads", "0"], "--threads"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_a_clear_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in complaint(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "There is no CUDA device here" in complaint(capsys, "--device", "cuda")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks = [", "cannot be read as TOML"),
        ("tasks = []", "tasks must name at least one."),
        ("colour = 1", "Unknown key 'colour'"),
        ("", "tasks is missing. methods is missing."),
        ("matrix = 3", "matrix cannot be 3"),
        ("[matrix]\nsettings = 3", "matrix.settings cannot be 3"),
        ("[settings]\nirem = 3", "'irem' is no setting"),
    ],
)
def test_a_bad_preset_is_named(text, said, capsys, tmp_path):
    preset = tmp_path / "bad.toml"
    preset.write_text(text)
    assert said in complaint(capsys, "--preset", preset, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "\x00\xff", "task,method\n"])
def test_a_csv_that_is_not_ours_is_left_as_it_was(content, capsys, tmp_path):
    csv = tmp_path / "results.csv"
    csv.write_bytes(content.encode("latin-1"))
    assert str(csv) in complaint(capsys, *TINY, "--out", tmp_path)
    assert csv.read_bytes() == content.encode("latin-1")
    assert list(tmp_path.iterdir()) == [csv]


def test_rows_whose_runs_are_elsewhere_are_not_lost(capsys, tmp_path):
    assert run(*TINY, "--methods", "trivial", "--out", tmp_path) == 0
    capsys.readouterr()
    shutil.rmtree(tmp_path / "runs")
    csv = tmp_path / "results.csv"
    before = csv.read_bytes()
    assert "would be lost" in complaint(capsys, *TINY, "--out", tmp_path)
    assert csv.read_bytes() == before


def test_an_output_folder_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    said = complaint(capsys, *TINY, "--out", tmp_path / "file" / "out")
    assert "cannot be made" in said


def test_the_learning_rate_of_the_least_validation_error_is_taken(tmp_path):
    rates = "learning_rates=[1e-6, 1e-2, 1e-3]"
    chosen = ["--methods", "feedforward,trivial_copy", "--set", rates, "--out", tmp_path]
    assert run(*TINY, *chosen) == 0
    results = read_results(tmp_path).set_index("method")
    (key,) = set(results.loc["feedforward", "run_key"])
    curve = pd.read_csv(tmp_path / "runs" / key / "curve.csv")
    assert list(curve["learning_rate"].unique()) == [1e-6, 1e-2, 1e-3]
    best = curve.loc[curve["validation_mse"].idxmin(), "learning_rate"]
    assert set(results.loc["feedforward", "learning_rate"]) == {best}
    assert results.loc["trivial_copy", "learning_rate"].isna().all()
    assert not list(tmp_path.glob("runs/*/state-*"))
    alone = ["--methods", "feedforward", "--set", f"learning_rate={best}", "--out", tmp_path / "b"]
    assert run(*TINY, *alone) == 0
    errors = [results.loc["feedforward", "mse"], read_results(tmp_path / "b")["mse"]]
    assert list(errors[0]) == list(errors[1])


def test_a_learning_rate_that_diverges_is_not_taken(tmp_path, capsys):
    chosen = ["--methods", "feedforward", "--set", "learning_rates=[1e30, 1e-3]"]
    assert run(*TINY, *chosen, "--out", tmp_path) == 0
    assert set(read_results(tmp_path)["learning_rate"]) == {1e-3}
    chosen = ["--methods", "feedforward", "--set", "learning_rates=[1e30]"]
    assert run(*TINY, *chosen, "--out", tmp_path / "b") == 1
    assert "diverged" in capsys.readouterr().out


def test_the_tuned_preset_is_the_papers_with_learning_rates(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuned, paper = checked(read_preset("tuned")), checked(read_preset("paper"))
    assert tuned.settings == paper.settings | {"learning_rates": [1e-4, 3e-4, 1e-3]}
    assert tuned.model_copy(update={"settings": paper.settings}) == paper
    assert "base" in complaint(capsys, "--preset", preset_file(tmp_path, 'base = "papr"'))


def preset_file(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text)
    return path


def test_the_paper_preset_has_every_method():
    assert set(checked(read_preset("paper")).methods) == set(METHODS)


def test_a_sweep_in_mixed_precision(tmp_path):
    chosen = ["--tasks", "addition,shortest_path", "--methods", "irem,recurrent,ponder"]
    assert run(*TINY, *chosen, "--dtype", "mixed", "--out", tmp_path) == 0
    results = read_results(tmp_path)
    assert set(results["dtype"]) == {"mixed"}
    assert results.loc[results["method"] == "irem", "energy"].notna().all()


@pytest.mark.parametrize(
    ("dtype", "bfloat16", "warned"),
    [("mixed", 2e9, True), ("mixed", 2e11, False), ("float32", 2e9, False)],
)
def test_mixed_precision_that_is_slower_is_named_before_it_starts(
    tmp_path, monkeypatch, capsys, dtype, bfloat16, warned
):
    rates = {"float32": 50e9, "mixed": bfloat16}
    monkeypatch.setattr("benchmarks.rates.product_rate", lambda dtype, device: rates[dtype])
    options = [*TINY, "--dtype", dtype, "--train-iterations", 1, "--out", tmp_path]
    sentence = "at 2 GFLOP/s in bfloat16 and at 50 GFLOP/s in float32. --dtype float32 is faster."
    assert run(*options) == 0
    assert (sentence in capsys.readouterr().err) == warned
    assert run(*options) == 0  # nothing is left to do in mixed precision
    assert sentence not in capsys.readouterr().err


def test_a_sweep_that_is_done_says_so_and_shows_no_bar(tmp_path, monkeypatch, capsys):
    assert run(*TINY, "--out", tmp_path) == 0
    assert "3 of 3 runs are left to do, 1 at a time. Results go to" in capsys.readouterr().err
    monkeypatch.setattr("benchmarks.distribute.Display", None)
    assert run(*TINY, "--out", tmp_path) == 0
    assert "0 of 3 runs are left to do" in capsys.readouterr().err


def test_seeds_at_once_are_recorded_and_have_the_numbers_of_seeds_in_turn(tmp_path):
    options = [*TINY, "--seeds", 3, "--dtype", "float64"]
    assert run(*options, "--out", tmp_path / "turn") == 0
    assert run(*options, "--seeds-at-once", "--out", tmp_path / "once") == 0
    turn, once = (numbers(tmp_path / name) for name in ("turn", "once"))
    assert once.loc[once["method"] == "irem", "together"].eq(3).all()
    assert turn.loc[turn["method"] == "irem", "together"].eq(1).all()
    assert once.loc[once["method"] == "trivial_copy", "together"].isna().all()
    once["together"] = turn["together"]
    pd.testing.assert_frame_equal(turn, once, rtol=1e-9)


def test_what_an_engine_cannot_do_is_said(capsys):
    assert "captured needs a CUDA device" in complaint(capsys, *TINY, "--engine", "captured")
    assert "engine must be one of eager" in complaint(capsys, *TINY, "--engine", "fast")


def test_graphs_are_trained_in_turn_whatever_was_asked(tmp_path):
    options = ["--preset", "smoke", "--tasks", "addition,edge_copy", "--methods", "feedforward"]
    options += ["--seeds", 2, "--threads", 1, "--out", tmp_path]
    assert run(*options, "--seeds-at-once") == 0
    trained = numbers(tmp_path).groupby("task")[["engine", "together"]].agg(["min", "max"])
    assert trained.loc["addition"].tolist() == ["eager", "eager", 2, 2]
    assert trained.loc["edge_copy"].tolist() == ["eager", "eager", 1, 1]


def test_what_goes_wrong_with_seeds_at_once_is_in_their_rows(tmp_path, monkeypatch):
    def refuse(trainers):
        raise RuntimeError("no rule for this operation")

    monkeypatch.setattr("irem_core.engine.update_together", refuse)
    chosen = {"tasks": ["addition"], "methods": ["irem"], "seeds": 2}
    job = plan(with_options(checked(read_preset("smoke")), chosen, {}), {})
    assert execute(job, tmp_path, Execution(threads=1)) == ["failed", "failed"]
    failed = Store(tmp_path).collect()
    assert failed["error"].eq("no rule for this operation").all()
    assert set(failed["seed"]) == {0, 1}
    assert len(list(tmp_path.glob("runs/*/error.txt"))) == 2


ABLATIONS = [name for name in named_presets() if name.startswith("ablation-")]
OF_CLAIMS = [*ABLATIONS, "adaptive", "recursion", "search", "structured", "structured-ablations"]
FEWER = {  # where methods take long even at a tiny size; the smoke sweep has all methods and tasks
    "structured": ["--methods", "irem_structured,trivial"],
    "structured-ablations": ["--sizes", "4"],
}


@pytest.mark.parametrize("name", OF_CLAIMS)
def test_the_preset_of_every_claim_runs_at_a_tiny_size(name, tmp_path):
    fewer = [] if name == "ablation-updates" else ["--train-iterations", 2]
    fewer += FEWER.get(name, [])
    assert run("--preset", name, "--smoke", *fewer, "--out", tmp_path) == 0
    results = read_results(tmp_path)
    assert (results["status"] == "ok").all()
    settings = {key for text in results["settings"] for key in json.loads(text)}
    table = read_preset(name, smoke=True)
    varied = [*table.get("tests", []), *table.get("variants", [])]
    said = [inner for each in varied for inner in [*each.values(), each] if isinstance(inner, dict)]
    assert {key for each in said for key in each if key not in METHODS} <= settings


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_varies_one_thing_from_the_paper(name):
    preset = checked(read_preset(name))
    paper = checked(read_preset("paper"))
    planned = plan(preset, {})
    assert (preset.settings, preset.matrix, preset.graph) == (
        paper.settings,
        paper.matrix,
        paper.graph,
    )
    assert len({run.key for run, _ in planned}) == len(planned)  # what does not vary is there once
    varied = [v.get("irem", v) for v in preset.variants]
    assert {} in varied  # the paper's own
    varied += [inference.unusual() for inference in preset.tests]
    assert set.intersection(*({*each} for each in varied if each))
    tiny = plan(checked(read_preset(name, smoke=True)), {})
    tiny = [(run, each) for run, each in tiny if run.method == "irem"]
    assert all(run.training.train_iterations <= 20 for run, _ in tiny)
    assert len({json.dumps([run.settings, e.settings]) for run, each in tiny for e in each}) > 1


def test_an_ablation_runs_at_a_tiny_size_in_the_order_of_its_numbers(tmp_path):
    assert run("--preset", "ablation-replay", "--smoke", "--threads", 1, "--out", tmp_path) == 0
    table = (tmp_path / "table.md").read_text()
    lines = [f"| irem (replayed={n}, stored=" for n in (0, 16, 24)]
    places = [table.index(line) for line in lines]
    assert places == sorted(places)


def test_a_tiny_preset_is_tiny_for_methods_with_settings_of_their_own():
    tiny = plan(checked(read_preset("structured", smoke=True)), {})
    learned = [run for run, _ in tiny if METHODS[run.method].learns]
    assert {run.training.train_iterations for run in learned} == {10}
    own = {run.settings["learning_rate"] for run, _ in tiny if run.method == "irem_structured"}
    assert own == {5e-3, 1e-2}  # of matrices, of graphs


def test_matrices_of_other_sizes_are_tested_by_methods_that_fit_them(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'base = "smoke"\ntasks = ["addition"]\n'
        'methods = ["irem", "recurrent_structured", "trivial"]\n'
        "[matrix]\nsizes = [2]\ntest_sizes = [2, 4]\n"
    )
    assert run("--preset", path, "--threads", 1, "--out", tmp_path / "out") == 0
    results = read_results(tmp_path / "out")
    assert (results["status"] == "ok").all()
    tested = results.groupby("method")["size"].agg(set)
    assert tested.to_dict() == {
        "irem": {2},
        "recurrent_structured": {2, 4},
        "trivial_constant": {2, 4},
        "trivial_copy": {2, 4},
    }
    resized = results["settings"].str.contains('"trained_size":2')
    assert (resized == (results["size"] == 4)).all()
    text = (tmp_path / "out" / "table.md").read_text()
    assert "## addition, n=4, trained_size=2" in text
    assert "Left out" not in text  # irem has no such case, and need not have
    path.write_text('base = "smoke"\n[graph]\nsizes = [4]\ntest_sizes = [6]\n')
    with pytest.raises(UsageError, match="test_sizes"):
        checked(read_preset(str(path)))


def test_a_variant_with_an_unknown_setting_is_named(tmp_path, capsys):
    path = tmp_path / "own.toml"
    path.write_text('base = "smoke"\nvariants = [{ irem.step_sizes = 3 }]\n')
    assert "step_sizes" in complaint(capsys, "--preset", path)
    path.write_text('base = "smoke"\nvariants = [{ irem.replayed = 999 }, {}]\n')
    assert "a batch of 32 cannot have 999 replayed problems" in complaint(capsys, "--preset", path)
    path.write_text('base = "smoke"\nvariants = []\n')
    assert "variants" in complaint(capsys, "--preset", path)


PLUGIN = """
import sys
from irem_core.method import Method
from irem_core.types import Step

class Bad(Method):
    name, learns = "bad", False

    @classmethod
    def answers_task(cls, task):
        return task.domain == "matrix"

    def unroll(self, problem, steps):
        if len(problem.x) > 8:  # the test problems of a sweep, not those of the contract
            {act}
        for _ in range(steps + 1):
            yield Step(problem.start)

METHODS = [Bad]
"""


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("sys.exit(0)", "the method called sys.exit(0)"),
        ("raise RuntimeError('10 %\\r100 %')", r"10 %\r100 %"),
    ],
)
def test_what_a_method_does_costs_its_own_run_only(tmp_path, monkeypatch, act, said):
    module = f"bad_{abs(hash(act))}"
    (tmp_path / f"{module}.py").write_text(PLUGIN.format(act=act))
    monkeypatch.syspath_prepend(tmp_path)
    methods = ["--plugin", module, "--tasks", "addition", "--methods", "bad,trivial_copy"]
    try:
        assert run("--preset", "smoke", *methods, "--out", tmp_path / "out") == 1
    finally:
        METHODS.pop("bad", None)
        ADDED.pop("bad", None)
    results = read_results(tmp_path / "out")
    assert set(results.loc[results["method"] == "trivial_copy", "status"]) == {"ok"}
    failed = results[results["method"] == "bad"]
    assert set(failed["status"]) == {"failed"}
    assert set(failed["error"]) == {said}


def test_a_run_that_could_not_be_written_has_failed(tmp_path, monkeypatch):
    write = Store.write_evaluation

    def full(store, run_key, *rest):
        config = json.loads((store.run_folder(run_key) / "config.json").read_text())
        if config["method"] == "irem":
            raise OSError(28, "No space left on device")
        write(store, run_key, *rest)

    monkeypatch.setattr(Store, "write_evaluation", full)
    assert run(*TINY, "--out", tmp_path) == 1
    assert "irem" not in set(read_results(tmp_path)["method"])


def test_results_claims_and_figures_are_there_before_anything_is_printed(tmp_path, monkeypatch):
    def printed(*text, **options):
        if options.get("file") is None:
            assert (tmp_path / "claims.md").exists()
            raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.pipeline.print", printed, raising=False)
    assert run(*TINY, "--out", tmp_path) == 130


def test_a_path_that_is_not_utf_8_is_refused_before_anything_runs(tmp_path, capsys):
    said = complaint(capsys, *TINY, "--out", tmp_path / "caf\udce9")
    assert "is not UTF-8" in said


def test_a_preset_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "smoke"\ntasks = ["addition"]\n', encoding="utf-8-sig")
    assert run("--preset", path, "--methods", "trivial", "--dry-run") == 0
