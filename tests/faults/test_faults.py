"""Faults that the test suite catches, one changed line each.

``faults.toml`` lists them by the stage of the pipeline that they are in. The long tests apply each
fault to a copy of the sources and run the tests that are expected to fail there. The others check
that the list still describes the code.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))["fault"]
STAGES = [
    "tasks",
    "energies",
    "training",
    "methods",
    "plan",
    "execution",
    "storage",
    "metrics",
    "analysis",
    "figures",
    "command line",
]
COPIED = ("irem_core", "baselines", "benchmarks", "tests")
LONGEST = 600  # seconds that the tests of one fault may take
FAILED = 1  # pytest's exit code where tests ran and some failed; from 2 on it could not run them


def label(fault):
    return f"{fault['stage']}: {fault['name']}".replace(" ", "-")


def copy_sources(folder):
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def apply_fault(fault, folder):
    path = folder / fault["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(fault["old"]) == 1
    path.write_text(text.replace(fault["old"], fault["new"]), encoding="utf-8")


def run_tests(folder, tests):
    """Run tests in a folder, which comes before every other place that modules are imported from.

    Returns pytest's exit code and its output.
    """
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
    )
    return done.returncode, done.stdout


@pytest.mark.long
def test_the_named_tests_pass_without_a_fault(tmp_path):
    copy_sources(tmp_path)
    tests = dict.fromkeys(test for fault in FAULTS for test in fault["tests"])
    code, output = run_tests(tmp_path, tests)
    assert code == 0, output


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=label)
def test_a_fault_is_caught(fault, tmp_path):
    copy_sources(tmp_path)
    apply_fault(fault, tmp_path)
    began = time.monotonic()
    code, output = run_tests(tmp_path, fault["tests"])
    assert code != 0, f"the fault is not caught:\n{output}"
    assert code == FAILED, f"the tests could not be run (pytest's exit code is {code}):\n{output}"
    caught = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
    row = [fault["stage"], fault["file"], fault["name"], *caught]
    print("\n|", " | ".join(row), f"| {time.monotonic() - began:.1f} s |")


def test_there_are_enough_faults_in_every_stage():
    counts = Counter(fault["stage"] for fault in FAULTS)
    assert set(counts) == set(STAGES)
    assert min(counts.values()) >= 3
    assert len(FAULTS) >= 40
    assert len({label(fault) for fault in FAULTS}) == len(FAULTS)


def test_every_fault_changes_one_line_that_is_there():
    for fault in FAULTS:
        text = (ROOT / fault["file"]).read_text(encoding="utf-8")
        assert text.count(fault["old"]) == 1, label(fault)
        assert fault["new"] != fault["old"], label(fault)
        assert "\n" not in fault["old"] + fault["new"], label(fault)


def test_the_tests_of_every_fault_are_there():
    for fault in FAULTS:
        assert fault["tests"], label(fault)
        for test in fault["tests"]:
            path, _, name = test.partition("::")
            function = name.partition("[")[0]
            assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), test
