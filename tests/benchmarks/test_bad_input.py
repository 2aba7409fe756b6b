"""Whatever a user gives: a sentence, exit code 2, and no result file changed."""

import io
import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmarks import answers, results
from benchmarks.cli import run_app, run_command
from benchmarks.errors import UsageError
from benchmarks.floor import floors
from benchmarks.sweep import sweep
from benchmarks.tables import tables
from benchmarks.training import load

EACH = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
OPTIONS = st.sampled_from(
    [
        "--tasks",
        "--methods",
        "--sizes",
        "--steps",
        "--difficulties",
        "--seeds",
        "--set",
        "--dtype",
        "--device",
        "--engine",
        "--backend",
        "--preset",
        "--plugin",
        "--jobs",
        "--threads",
        "--scheduler",
        "--timeout",
        "--train-iterations",
    ]
)
VALUES = TEXT | st.sampled_from(["addition", "irem", "hidden=-1", "irem.hidden=x", "nan", "1e99"])
PLUGINS = [
    "1 / 0",
    "METHODS = 3",
    "METHODS = [3]",
    "METHODS = [int]",
    "TASKS = [object]",
    "import nowhere",
    "exit(3)",
    "raise Exception",
    "class M:\n  name = 'irem'\nMETHODS = [M]",
]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    options = ["--preset", "smoke", "--tasks", "addition", "--methods", "irem,trivial"]
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*options, "--threads", "1", "--out", str(folder)])
    assert ended.value.code == 0
    return folder


@pytest.fixture
def folder(swept, tmp_path):
    return shutil.copytree(swept, tmp_path / "copy")


def contents(folder):
    kept = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "working"]
    return {path: path.read_bytes() for path in kept}


def exit_code(call, *arguments):
    """Of a command line, which ends by itself and with no other exception."""
    with pytest.raises(SystemExit) as ended:
        call(*arguments)
    return ended.value.code


@EACH
@given(options=st.lists(st.tuples(OPTIONS, VALUES), min_size=1, max_size=3))
def test_options(folder, options):
    before = contents(folder)
    said = [part for option in options for part in option]
    arguments = ["--dry-run", "--preset", "smoke", "--out", str(folder), *said]
    assert exit_code(run_command, sweep, arguments) in (0, 2)
    assert contents(folder) == before


@EACH
@given(
    text=st.text(max_size=60)
    | st.dictionaries(
        st.sampled_from(["tasks", "methods", "seeds", "base", "matrix", "settings", "problems"]),
        st.sampled_from(['["addition"]', "3", '"x"', "{}", "{sizes = [0]}", "nan", "[[]]"]),
    ).map(lambda table: "\n".join(f"{name} = {value}" for name, value in table.items())),
    smoke=st.booleans(),
)
@example(text="settings = 3", smoke=True)
@example(text="matrix = 3", smoke=True)
def test_presets(folder, text, smoke):
    before = contents(folder)
    preset = folder.parent / "mine.toml"
    preset.write_text(text, encoding="utf-8", errors="ignore")
    arguments = ["--dry-run", "--preset", str(preset), "--out", str(folder), *["--smoke"] * smoke]
    assert exit_code(run_command, sweep, arguments) in (0, 2)
    assert contents(folder) == before


@pytest.mark.parametrize("option", ["--sizes", "--ranks"])
def test_floors(option, tmp_path):
    assert exit_code(run_command, floors, [option, "0", "--out", str(tmp_path / "floors.csv")]) == 2
    assert not list(tmp_path.iterdir())


@EACH
@given(content=st.binary(max_size=200), cut=st.floats(0, 1), keep=st.booleans())
def test_csvs(folder, content, cut, keep):
    csv = folder / "results.csv"
    whole = csv.read_bytes()
    wrong = whole[: int(cut * len(whole))] + content if keep else content
    csv.write_bytes(wrong)
    arguments = ["--preset", "smoke", "--tasks", "addition", "--methods", "trivial"]
    for command, given_ in ((tables, [str(folder)]), (sweep, [*arguments, "--out", str(folder)])):
        code = exit_code(run_command, command, given_)
        assert code in (0, 2)
        assert code == 0 or csv.read_bytes() == wrong
    csv.write_bytes(whole)


@EACH
@given(content=st.binary(max_size=300), name=st.sampled_from(["config.json", "method.safetensors"]))
def test_checkpoints(folder, content, name):
    path = sorted(folder.glob(f"runs/*/{name}"))[0]
    whole = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load(path.parent)
    path.write_bytes(whole)


@EACH
@given(
    text=st.text(max_size=60) | st.sampled_from(PLUGINS),
    name=TEXT,
)
def test_plugins(folder, text, name, tmp_path_factory, monkeypatch):
    before = contents(folder)
    place = tmp_path_factory.mktemp("plugin")
    module = f"plugin_{place.name}"
    (place / f"{module}.py").write_text(text, encoding="utf-8", errors="ignore")
    with monkeypatch.context() as patched:
        patched.syspath_prepend(place)
        for each in (module, name):
            arguments = ["--dry-run", "--preset", "smoke", "--out", str(folder), "--plugin", each]
            assert exit_code(run_command, sweep, arguments) in (0, 2)
    assert contents(folder) == before


@EACH
@given(
    content=st.binary(max_size=200),
    shape=st.lists(st.integers(0, 9), max_size=3),
    dtype=st.sampled_from(["f4", "i8", "U1", "?", "c8"]),
    as_array=st.booleans(),
)
def test_answers(folder, content, shape, dtype, as_array, tmp_path_factory):
    place = tmp_path_factory.mktemp("answers")
    problems, given_ = place / "problems.npz", place / "answers.npy"
    export = ["export", "--task", "addition", "--size", "3", "--problems", "4"]
    assert exit_code(run_app, answers.app, [*export, "--out", str(problems)]) == 0
    before = contents(folder)
    if as_array:
        np.save(given_, np.zeros(shape, dtype))
    else:
        given_.write_bytes(content)
    score = ["score", str(problems), str(given_), "--method", "theirs", "--out", str(folder)]
    code = exit_code(run_app, answers.app, score)
    right = as_array and shape[-2:] == [4, 9] and 0 not in shape and dtype in ("f4", "i8")
    assert code == (0 if right else 2)
    assert right or contents(folder) == before
    assert exit_code(run_app, answers.app, [*score[:1], str(given_), *score[2:]]) == 2


@EACH
@given(command=st.sampled_from(["status", "collect", "merge", "clean"]), text=TEXT)
def test_folders(folder, command, text):
    before = contents(folder)
    nowhere = str(folder.parent / "no" / text.replace("/", ""))
    arguments = [command, str(folder), nowhere] if command == "merge" else [command, nowhere]
    assert exit_code(run_app, results.app, arguments) == 2
    assert contents(folder) == before


class Payload:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (open, (self.place, "w"))


@pytest.mark.parametrize("name", ["config.json", "method.safetensors"])
def test_reading_a_checkpoint_runs_no_code(folder, name, tmp_path):
    path = sorted(folder.glob(f"runs/*/{name}"))[0]
    trap = tmp_path / "trap"
    for content in (pickle.dumps(Payload(str(trap))), _saved(Payload(str(trap)))):
        path.write_bytes(content)
        with pytest.raises(UsageError):
            load(path.parent)
        assert not trap.exists()


def _saved(thing):
    buffer = io.BytesIO()
    torch.save({"weight": thing}, buffer)
    return buffer.getvalue()
