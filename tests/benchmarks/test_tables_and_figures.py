import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from PIL import Image

from benchmarks.answers import app as answers_app
from benchmarks.cases import comparisons
from benchmarks.cli import run_app, run_command
from benchmarks.errors import UsageError
from benchmarks.figures import DPI, _write_png, look, write_figures
from benchmarks.figures.__main__ import figures
from benchmarks.figures.ablation import ablations
from benchmarks.figures.answers import answers
from benchmarks.figures.matched import at_equal_operations
from benchmarks.figures.sizes import extrapolation
from benchmarks.figures.steps import error_against_steps, kept
from benchmarks.figures.stopping import when_to_stop
from benchmarks.lines import lines
from benchmarks.results import app
from benchmarks.schema import read_results
from benchmarks.shown import drawn
from benchmarks.store import ASKED, Store
from benchmarks.sweep import sweep
from benchmarks.tables import result_tables, tables
from irem_core.tasks import Inverse, ShortestPath

pytestmark = pytest.mark.draws
METHODS = "irem,feedforward,ponder,trivial"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "out"
    options = ["--preset", "smoke", "--tasks", "addition", "--methods", METHODS, "--seeds", "2"]
    with pytest.raises(SystemExit):
        run_command(sweep, [*options, "--out", str(folder)])
    return folder


def written(command, folder: Path, *options: str) -> dict[str, bytes]:
    with pytest.raises(SystemExit) as ended:
        run_command(command, [str(folder), *options])
    assert ended.value.code == 0
    return {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_tables_and_figures_come_again_byte_for_byte(folder):
    first = {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    (folder / "table.md").unlink()
    for path in folder.glob("figures/*"):
        path.unlink()
    written(tables, folder)
    assert written(figures, folder) == first


def test_the_table_has_every_method_beside_the_trivial_and_the_best(folder):
    table = (folder / "table.md").read_text()
    names = ["irem", "feedforward", "trivial_constant", "trivial_copy", "*best trivial*"]
    places = [table.index(f"| {name}") for name in [*names, "*best known*"]]
    assert places == sorted(places)
    assert "same: skill" in table
    assert "harder: skill" in table


@pytest.mark.parametrize(
    ("folder", "title"),
    [("paper", "Matrix reasoning, n = 20: error"), ("quick", "addition, n=10")],
)
def test_the_readme_shows_tables_of_results(folder, title):
    root = Path(__file__).parents[2]
    readme, tables = (root / "README.md").read_text(), root / "results" / folder / "table.md"
    table = tables.read_text().partition(f"## {title}\n\n")[2].partition("\n\n")[0]
    assert table.startswith("| method")
    assert table in readme


def test_no_results_is_a_clear_sentence(tmp_path):
    """In a process of its own, whose exit code and messages a shell sees."""
    command = [sys.executable, "-m", "benchmarks.tables", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "There is no nowhere/results.csv. Run a sweep" in done.stderr
    assert "Traceback" not in done.stderr


FALLS = [2.0, 1.0, 0.5, 0.3, 0.2]
RISES = [2.0, 1.0, 0.5, 0.7, 0.9]
BOTH = {("irem", 0): FALLS, ("recurrent", 0): RISES}


def test_the_papers_tables_have_a_column_a_task(made_up):
    made_up(BOTH)
    folder = made_up(BOTH | {("irem", 1): FALLS}, task=Inverse(size=3))
    error, skill, *_ = result_tables(folder)
    assert error.title == "Matrix reasoning, n = 3: error"
    assert list(error.frame) == ["method", "addition: harder", "inverse: harder"]
    by_method = error.frame.set_index("method")
    assert by_method.loc["irem", "addition: harder"].startswith("**0.2 [")
    assert by_method.loc["*best trivial*"].tolist() == ["1", "1"]
    assert by_method.loc["*best known*"].tolist() == ["0", "0"]
    assert skill.frame.set_index("method").loc["recurrent", "addition: harder"] == "0.1"
    assert by_method.loc["*headroom*"].tolist() == ["1", "1"]
    assert "seeds and problems" in error.note


def test_with_one_seed_it_is_said_that_there_is_no_interval_over_seeds(made_up):
    table, *_ = result_tables(made_up(BOTH))
    assert "not over seeds, of which there is one" in table.note


def test_what_was_not_run_is_empty_and_what_failed_is_named(made_up):
    made_up(BOTH | {("ponder", 0): [np.inf] * 5})
    folder = made_up({("irem", 0): FALLS}, task=Inverse(size=3))
    error, *_ = result_tables(folder)
    by_method = error.frame.set_index("method")
    assert by_method.loc["recurrent", "inverse: harder"] == ""
    assert by_method.loc["ponder", "addition: harder"] == "not finite"
    written(tables, folder)
    assert (
        "- diverged: ponder on addition, n = 3, harder, seed 0:"
        in (folder / "table.md").read_text()
    )


def test_runs_that_are_still_to_be_done_are_counted(made_up):
    folder = made_up(BOTH)
    assert "Runs with a result" not in {table.title for table in result_tables(folder)}
    store = Store(folder)
    done = store.frame().drop_duplicates("run_key")[[*ASKED]]
    store.ask(done)
    assert "Runs with a result" not in {table.title for table in result_tables(folder)}
    others = [("addition", "irem", 1, "a"), ("inverse", "irem", 0, "b")]
    store.ask(pd.DataFrame(others, columns=[*ASKED]))
    store.ask(done)  # which changes nothing
    *_, table = result_tables(folder)
    assert table.title == "Runs with a result"
    assert table.frame.set_index("method").to_dict() == {
        "addition": {"irem": "1 of 2", "recurrent": "1 of 1"},
        "inverse": {"irem": "0 of 1", "recurrent": ""},
    }


def test_what_is_said_of_the_first_problems_alone_says_so(made_up):
    folder = made_up(BOTH)
    assert "the first" not in "".join(table.note for table in result_tables(folder))
    with pytest.raises(SystemExit):
        run_app(app, ["trim", str(folder), "--problems", "10"])
    (steps,) = [t for t in result_tables(folder) if t.title == "addition, n=3: over the steps"]
    assert steps.note.endswith("This table is about the first 10 problems alone.")


def test_all_cases_in_one_number_a_method(made_up):
    made_up(BOTH)
    folder = made_up(BOTH, task=Inverse(size=3))
    *_, together = result_tables(folder)
    assert together.title == "All 2 cases in one number"
    by_method = together.frame.set_index("method")
    assert by_method.loc["irem"].tolist() == ["0.8", ""]
    assert by_method.loc["recurrent"].tolist() == ["0.1", "1.00"]


def test_latex_has_the_same_in_booktabs(made_up):
    folder = made_up(BOTH)
    written(tables, folder)
    text = (folder / "tables" / "addition_3.tex").read_text()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"\textbf{0.2 [" in text
    assert r"\emph{best trivial}" in text
    assert "*" not in text
    numbers = pd.read_csv(folder / "tables" / "measures.csv").set_index("line")
    assert numbers.loc["irem", "mse"] == pytest.approx(0.2)


def test_what_another_processor_rounds_otherwise_is_not_written(made_up):
    texts = set()
    for name, nearly in (("here", 1), ("there", 1 + 1e-13)):
        errors = {run: [nearly * error for error in means] for run, means in BOTH.items()}
        folder = made_up(errors, folder=name)
        written(tables, folder)
        texts.add((folder / "tables" / "measures.csv").read_text())
    assert len(texts) == 1


def test_every_figure_is_drawn_from_csv_and_traces(made_up):
    energies = {("irem", 0): [[5 - t] * 40 for t in range(5)]}
    for size, difficulty in ((10, "same"), (15, "harder")):
        folder = made_up(BOTH, ShortestPath(), size, difficulty, energies)
    written(figures, folder, "--formats", "png,pdf,gif")
    names = {path.stem for path in folder.glob("figures/*.pdf")}
    assert names == {path.stem for path in folder.glob("figures/*.png")}
    of_task = {"error_against_steps", "error_against_cost", "error_by_size", "extrapolation"}
    of_task |= {"when_to_stop", "answers", "at_equal_operations", "paths"}
    assert names == {f"{name}_shortest_path" for name in of_task} | {"skill", "skill_profile"}
    assert [path.name for path in folder.glob("figures/*.gif")] == ["animation_shortest_path.gif"]


def test_figures_are_png_with_a_palette_unless_others_are_asked_for(made_up):
    folder = made_up(BOTH)
    written(figures, folder)
    pictures = sorted(folder.glob("figures/*"))
    assert {path.suffix for path in pictures} == {".png"}
    for path in pictures:
        with Image.open(path) as image:
            assert image.mode == "P"
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_keeps_frequent_colours_and_changes_others_little(tmp_path):
    figure, ((panel,),) = look.grid("A gradient", 1, 1)
    panel.imshow(np.arange(400).reshape(20, 20), cmap="viridis")
    figure.savefig(tmp_path / "all.png", dpi=DPI)
    _write_png(tmp_path / "few.png", figure)
    whole, few = (
        np.asarray(Image.open(tmp_path / name).convert("RGB"), dtype=int)
        for name in ("all.png", "few.png")
    )
    assert np.abs(whole - few).mean() < 0.5
    assert (few[whole.min(axis=2) == 255] == 255).all()
    assert (tmp_path / "few.png").stat().st_size < (tmp_path / "all.png").stat().st_size


def test_several_processes_draw_the_same_files(made_up):
    folder = made_up(BOTH)  # a comparison, and the figures about all results
    paths = write_figures(folder, ["png"])
    alone = {path: path.read_bytes() for path in paths}
    for path in paths:
        path.unlink()
    assert write_figures(folder, ["png"], jobs=2) == paths
    assert {path: path.read_bytes() for path in paths} == alone


@pytest.mark.parametrize(
    ("formats", "message"),
    [("png,jpeg", "Unknown format 'jpeg'"), ("", "Unknown format ''")],
)
def test_an_unknown_format_is_a_clear_sentence(made_up, formats, message, capsys):
    folder = made_up(BOTH)
    with pytest.raises(SystemExit) as ended:
        run_command(figures, [str(folder), "--formats", formats])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(folder.glob("figures/*"))


def test_no_format_and_no_job_are_clear_sentences(made_up):
    folder = made_up(BOTH)
    with pytest.raises(UsageError, match="at least one format of png, pdf, gif"):
        write_figures(folder, [])
    with pytest.raises(UsageError, match="at least 1 job, not by 0"):
        write_figures(folder, jobs=0)


def test_a_figure_of_the_first_problems_says_so_and_shows_them_alone(made_up):
    means = np.outer([1.0, 0.5, 0.4, 0.3, 0.2], np.arange(1, 21))  # the first problems are easy
    folder = made_up({("irem", 0): means}, energies={("irem", 0): np.ones((5, 20))})
    titles, curves = [], []
    for trim in ([], ["trim", str(folder), "--problems", "10"]):
        if trim:
            with pytest.raises(SystemExit):
                run_app(app, trim)
        (comparison,) = comparisons(read_results(folder, made=False).query("selection == 'last'"))
        cases = {case: lines(comparison, folder, case) for case in comparison.cases}
        figure = when_to_stop("Addition", cases)
        titles.append(figure.get_suptitle())
        curves.append(figure.axes[0].lines[0].get_ydata())
    assert titles == ["Addition", "Addition, the first 10 problems"]
    assert curves[0] == pytest.approx(means.mean(axis=1))
    assert curves[1] == pytest.approx(means[:, :10].mean(axis=1))


def test_without_traces_figures_are_drawn_from_the_budgets(made_up):
    folder = made_up(BOTH)
    for path in folder.glob("runs/*/*/*.parquet"):
        path.unlink()
    written(figures, folder, "--formats", "png,pdf,gif")
    names = {path.stem for path in folder.glob("figures/*.pdf")}
    assert names == {path.stem for path in folder.glob("figures/*.png")}
    assert names == {
        "error_against_steps_addition_3",
        "error_against_cost_addition_3",
        "skill",
        "skill_profile",
    }


def test_a_curve_is_the_trace_or_the_budgets(made_up):
    folder = made_up({("irem", 0): FALLS})
    (comparison,) = comparisons(read_results(folder).query("selection == 'last'"))
    (line,) = lines(comparison, folder, "harder")
    assert line.curve["error"].to_numpy() == pytest.approx(FALLS)
    assert line.curve["flops"].tolist() == [0, 100, 200, 300, 400]
    next(folder.glob("runs/*/*/trace.parquet")).unlink()
    (line,) = lines(comparison, folder, "harder")
    assert line.curve["step"].tolist() == [1, 2, 4]
    assert line.curve["error"].to_numpy() == pytest.approx([1.0, 0.5, 0.2])


def test_who_is_done_later_than_is_shown_is_shown_up_to_there(made_up):
    folder = made_up({("programmatic", 0): FALLS})
    (comparison,) = comparisons(read_results(folder).query("selection == 'last'"))
    (line,) = lines(comparison, folder, "harder")
    cut = kept(line, "step", 2)
    assert cut["step"].tolist() == [0, 1, 2]
    assert cut["error"].to_numpy() == pytest.approx(FALLS[:3])
    assert kept(line, "step", 9)["step"].tolist() == [0, 1, 2, 3, 4, 9]


def test_settings_are_compared_in_more_cases_than_there_are_markers(made_up):
    for replayed in (16, 32):
        for size in range(11, 21):
            settings = {"replayed": replayed}
            folder = made_up(
                {("irem", 0): FALLS}, ShortestPath(), size, "harder", settings=settings
            )
    (comparison,) = comparisons(read_results(folder).query("selection == 'last'"))
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    ((method, figure),) = ablations("Shortest path", cases)
    assert method == "irem"
    assert len(figure.legends[0].get_texts()) == 10 > len(look.MARKERS)


def test_no_rows_yet_have_no_tables_and_no_figures(tmp_path):
    Store(tmp_path).collect()
    written(tables, tmp_path)
    written(figures, tmp_path)
    assert not list(tmp_path.glob("figures/*"))


def test_a_method_that_did_no_step_is_in_no_figure_of_costs(made_up):
    folder = made_up({("irem", 0): [2.0, *[np.inf] * 4]})
    results = read_results(folder).assign(status="ok", mse=2.0)  # finite, as it was at the start
    results.to_csv(folder / "results.csv", index=False)
    written(figures, folder)


def test_errors_that_grow_without_bound_are_drawn_as_far_as_they_go(made_up):
    folder = made_up({("irem", 0): [2.0, 1.0, 0.5, np.inf, np.inf]})
    written(figures, folder)
    assert (folder / "figures" / "error_against_steps_addition_3.png").exists()
    results = read_results(folder).query("selection == 'last' and status == 'ok'")
    (comparison,) = comparisons(results)
    (line,) = lines(comparison, folder, "harder")
    assert line.curve["step"].tolist() == [0, 1, 2]


def test_answers_whose_squares_float32_cannot_hold_are_drawn_without_a_warning(made_up):
    folder = made_up({("irem", 0): np.outer([1e65, 1e10, 1e40, 1e69, 1e70], np.ones(10))})
    (comparison,) = comparisons(read_results(folder).query("selection == 'last'"))
    cases = {"harder": lines(comparison, folder, "harder")}
    with warnings.catch_warnings(action="error"):
        figure = answers("Addition", cases, folder)
    assert "1e+70" in [panel.get_title() for panel in figure.axes]


@rc_context(look.LOOK)
def test_a_legend_of_long_names_is_inside_and_leaves_the_panels_their_place():
    heights = []
    for setting in ("", " (train_iterations=1000, replayed=272, stored=272)"):
        figure, ((panel,),) = look.grid("Settings", 1, 1)
        for i in range(12):
            panel.plot([0, 1], label=f"method {i}{setting}")
        look.legend(figure, [panel])
        figure.draw_without_rendering()
        extent = figure.legends[0].get_window_extent()
        assert 0 < extent.x0 < extent.x1 < figure.bbox.width
        heights.append(panel.get_position().height * figure.get_figheight())
    assert heights[1] > 0.8 * heights[0]


def test_an_error_that_leaves_the_picture_does_not_stretch_it(made_up):
    grows = {("irem", 0): FALLS, ("recurrent", 0): [2.0, 1.0, 1e3, 1e4, 1e5]}
    for size, difficulty in ((10, "same"), (15, "harder")):
        folder = made_up(grows, ShortestPath(), size, difficulty)
    (comparison,) = comparisons(read_results(folder).query("selection == 'last'"))
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    errors, _ = extrapolation("Shortest path", cases).axes
    assert max(FALLS) < errors.get_ylim()[1] < 100
    assert errors.get_lines()[1].get_ydata() == pytest.approx([1e5, 1e5])


def difference(made_up, recurrent, flops=100.0):
    """The figure's panel and legend: these errors, with steps of 100 operations, against irem."""
    made_up({("irem", 0): FALLS, ("irem", 1): FALLS}, flops=flops)
    folder = made_up({("recurrent", 0): recurrent})
    results = read_results(folder).query("selection == 'last' and status == 'ok'")
    (comparison,) = comparisons(results)
    cases = {"harder": lines(comparison, folder, "harder")}
    figure = at_equal_operations("Addition", cases)
    (panel,) = figure.axes
    return panel, [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("then", [[np.inf, np.inf], [np.inf, 0.5]])
def test_a_difference_is_drawn_up_to_where_it_is_not_finite(made_up, then):
    panel, _ = difference(made_up, [2.0, 1.5, 1.0, *then])
    line = panel.lines[0]
    assert np.isfinite(line.get_ydata()).all()
    assert 200 < max(line.get_xdata()) < 300  # two steps of 100 operations


def test_a_difference_that_is_never_finite_is_named(made_up):
    panel, legend = difference(made_up, [2.0, 1.5, *[np.inf] * 3], flops=1000.0)
    assert not len(panel.lines[0].get_xdata())
    assert "recurrent (not finite)" in legend


def test_nothing_but_failures_has_tables_and_no_figures(made_up):
    folder = made_up({("irem", 0): [np.inf] * 5})
    written(tables, folder)
    assert "not finite" in (folder / "table.md").read_text()
    written(figures, folder)
    assert not list(folder.glob("figures/*"))


def test_the_expectation_of_a_method_that_halts_is_a_line(made_up):
    folder = made_up(BOTH)
    results = read_results(folder)
    assert "halted_expected" not in set(results["selection"])
    for path in folder.glob("runs/*/*/trace.parquet"):
        path.unlink()  # they know no halting
    halted = results[results["method"] == "recurrent"].assign(selection="halted_expected", mse=0.1)
    pd.concat([results, halted]).to_csv(folder / "results.csv", index=False)
    table, *_ = result_tables(folder)
    assert "recurrent, halted_expected" in set(table.frame["method"])


def test_the_best_known_error_has_its_uncertainty(made_up):
    folder = made_up(BOTH)
    results = read_results(folder).assign(mse_best=0.1, mse_best_uncertainty=0.02)
    results.to_csv(folder / "results.csv", index=False)
    table, *_ = result_tables(folder)
    assert table.frame.set_index("method").loc["*best known*", "harder: mse"] == "0.1 ± 0.02"


def test_the_caption_of_a_task_with_an_underscore_is_latex(made_up):
    folder = made_up(BOTH, ShortestPath(), 15)
    written(tables, folder)
    text = (folder / "tables" / "shortest_path.tex").read_text()
    assert r"\caption{shortest\_path}" in text


def test_harder_is_the_last_case_after_all_numbers(made_up):
    for difficulty in ("harder", "ridge=0.3", "same", "ridge=0.05"):
        folder = made_up({("irem", 0): [1.0] * 5}, Inverse(size=3), difficulty=difficulty)
    (comparison,) = comparisons(read_results(folder))
    assert comparison.cases == ["same", "ridge=0.05", "ridge=0.3", "harder"]


NAMES = ["_mine", "cash$$", "cost $5 and $6"]


def test_a_matplotlibrc_of_ones_own_changes_nothing(folder):
    first = written(figures, folder)
    with rc_context({"text.usetex": True, "font.size": 30, "axes.grid": True}):
        assert written(figures, folder) == first


def answered(folder, names):
    """A folder with answers of methods from elsewhere."""
    problems, path = folder / "problems.npz", folder / "answers.npy"
    about = ["--task", "addition", "--size", "3", "--problems", "16", "--out", str(problems)]
    commands = [["export", *about]]
    out = folder / "answered"
    commands += [
        ["score", str(problems), str(path), "--method", n, "--out", str(out)] for n in names
    ]
    np.save(path, np.ones((2, 16, 9)))
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            run_app(answers_app, command)
        assert ended.value.code == 0
    return out


def test_names_are_drawn_as_they_are(tmp_path):
    folder = answered(tmp_path, NAMES)
    with look.suite_style():
        comparison = next(comparisons(drawn(read_results(folder))))
        cases = {case: lines(comparison, folder, case) for case in comparison.cases}
        figure = error_against_steps(comparison.title, cases)
    texts = figure.legends[0].get_texts()
    assert {text.get_text() for text in texts} >= {*NAMES}
    assert not any(text.get_parse_math() for text in texts)
    assert write_figures(folder)


def test_letters_that_the_font_does_not_have_are_named_once(tmp_path, caplog):
    folder = answered(tmp_path, ["名前"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_figures(folder)
    assert caplog.text.count("The font of the figures has no 前, 名, and draws boxes") == 1


def test_a_band_is_the_range_over_seeds_and_errors_are_on_a_logarithmic_axis(made_up):
    errors = {("irem", seed): [2.0, 1.0, 0.5, 0.3, last] for seed, last in enumerate((0.1, 0.3))}
    folder = made_up(errors)
    comparison = next(comparisons(drawn(read_results(folder))))
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    (panel, *_) = error_against_steps(comparison.title, cases).axes
    assert panel.get_yscale() == "symlog"
    (band,) = panel.collections
    (path,) = band.get_paths()
    at_the_end = path.vertices[path.vertices[:, 0] == 4, 1]
    assert (at_the_end.min(), at_the_end.max()) == pytest.approx((0.1, 0.3))
    heights = {line.get_label(): line.get_ydata()[0] for line in panel.lines}
    assert heights["best trivial"] == 1
    assert heights["one linear pass"] == 0.5
    assert heights["best known"] == 0
