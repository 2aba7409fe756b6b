import json
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.claims import ERRS_LEAST
from benchmarks.cli import run_command
from benchmarks.figures import write_figures
from benchmarks.judging import Claim
from benchmarks.report import page as of_page
from benchmarks.report import write_report
from benchmarks.report.__main__ import report
from benchmarks.report.explorer import LARGEST, LOST, ZERO, differences, explorer
from benchmarks.shown import spread
from benchmarks.store import read_results, read_trace
from benchmarks.sweep import sweep
from benchmarks.tables import Table

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.draws

LONGEST = 10  # seconds to wait for a browser


class Page(HTMLParser):
    """What a page says, what it would load, and its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.pictures: list[dict[str, str | None]] = []
        self.said: list[str] = []
        self.data = ""
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.tags.append(tag)
        self.addresses += [about[name] for name in ("src", "href", "action") if name in about]
        self.ids |= {about["id"]} if "id" in about else set()
        if tag == "img":
            self.pictures.append(about)
        self._in = about.get("id") or tag

    def handle_data(self, data):
        if self._in == "data":
            self.data += data
        elif self._in not in ("script", "style"):
            self.said.append(data)

    def handle_endtag(self, tag):
        self._in = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "swept"
    what = ["--tasks", "addition,shortest_path", "--methods", "irem,recurrent,trivial"]
    with pytest.raises(SystemExit):
        run_command(sweep, ["--preset", "smoke", *what, "--threads", "1", "--out", str(folder)])
    return folder


@pytest.fixture
def folder(swept, tmp_path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "swept"))


def read(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_the_page_has_all_sections_and_loads_nothing(swept, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(report, [str(swept)])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{swept / 'report.html'}\n"
    text = (swept / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.ids >= {"runs", "claims", "tables", "figures", "explorer"}
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "link" not in page.tags
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
    assert len(page.pictures) == len(list((swept / "figures").glob("*.png")))
    assert all(picture["alt"] for picture in page.pictures)
    assert "default-src 'none'" in text
    for said in ("Error against steps addition 3", "trivial_copy", "0 not ok", "best trivial"):
        assert said in page.text
    assert len(text) < 1_000_000


def test_what_is_missing_is_said(folder):
    shutil.rmtree(folder / "figures")
    for path in folder.glob("runs/*/*/examples.parquet"):
        path.unlink()
    page = read(folder)
    assert f"There are no figures: python -m benchmarks.figures {folder} makes them." in page.text
    assert "There are no problems to show" in page.text
    assert "has no whole trace and examples of it" in page.text


def test_one_run_whose_trace_is_damaged_leaves_the_others(folder):
    next(iter(sorted(folder.glob("runs/*/*/trace.parquet")))).write_bytes(b"PAR1 and PAR1")
    page = read(folder)
    assert "Not in the explorer: 1" in page.text
    assert "has no whole trace and examples of it" in page.text
    assert json.loads(page.data)


def test_a_run_that_failed_is_named_and_its_text_is_text(folder):
    results = read_results(folder)
    results.loc[results["method"] == "irem", ["status", "error"]] = (
        "failed",
        "RuntimeError: <script>alert(1)</script>",
    )
    results.to_csv(folder / "results.csv", index=False)
    page = read(folder)
    assert "RuntimeError: <script>alert(1)</script>" in page.text  # as text, once unescaped
    assert page.tags.count("script") == 2
    assert "2 not ok" in page.text


def test_a_training_that_diverged_has_nothing_to_explore(folder):
    results = read_results(folder)
    irem = results["method"] == "irem"
    results.loc[irem, ["status", "error"]] = "diverged", "at update 1 the loss became nan"
    results.loc[irem, ["mse", "steps_used"]] = float("nan")
    results.to_csv(folder / "results.csv", index=False)
    page = read(folder)
    assert "at update 1 the loss became nan" in page.text
    assert '"recurrent"' in page.data
    assert '"irem"' not in page.data


def test_only_failures_make_a_page_too(folder):
    results = read_results(folder)
    results["status"] = "failed"
    results.to_csv(folder / "results.csv", index=False)
    assert "There are no problems to show" in read(folder).text


def test_no_results_is_a_clear_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(report, [str(tmp_path)])
    assert ended.value.code == 2
    assert "Run a sweep" in capsys.readouterr().err


def test_claims_and_tables_are_shown(folder, monkeypatch):
    claim = Claim(ERRS_LEAST, "addition", "not reproduced", "Others are <better>.")
    table = Table(
        "Errors", "errors", pd.DataFrame({"method": ["a<b"], "mse": ["**0.1**"]}), "Note."
    )
    monkeypatch.setattr(of_page, "claims", lambda folder: [claim])
    monkeypatch.setattr(of_page, "result_tables", lambda folder: [table])
    text = write_report(folder).read_text(encoding="utf-8")
    assert '<span class="verdict not-reproduced">not reproduced</span>' in text
    assert "Others are &lt;better&gt;." in text
    assert '<th scope="row">a&lt;b</th><td><strong>0.1</strong></td>' in text


def test_numbers_of_the_explorer_are_those_of_the_trace(swept):
    results = read_results(swept)
    made = explorer(swept, results)
    addition = next(each for each in made.comparisons if each["title"] == "addition, n=3")
    same = addition["cases"][0]
    line = next(each for each in same["lines"] if each["name"] == "irem")
    row = next(results.query("method == 'irem' and task == 'addition'").itertuples())
    trace = read_trace(swept, row._replace(difficulty="same"))
    second = line["problems"][1]
    own = trace[trace["problem"] == second["number"]]
    assert second["steps"] == [0, 1, 2, 3, 4, 5]
    assert np.float32(second["errors"]).tolist() == own["error"].tolist()
    assert np.float32(second["energies"]).tolist() == own["energy"].tolist()
    assert len(second["inputs"]) == 2
    assert (same["side"], made.left_out, made.missing) == (3, 0, [])
    # inputs and targets of two problems, once for all methods
    assert len(same["pictures"]) == 6


@pytest.fixture
def with_an_infinite_input(folder):
    """A folder whose examples begin with an input that is not finite in its first entry."""
    for path in folder.glob("runs/*/*/examples.parquet"):
        examples = pd.read_parquet(path)
        first = examples.index[examples["kind"] == "input"][0]
        examples.at[first, "values"] = [np.inf, *examples.at[first, "values"][1:]]
        examples.to_parquet(path, index=False)
    return folder


def test_inputs_that_are_not_finite_are_shown_as_such(with_an_infinite_input):
    folder = with_an_infinite_input
    made = explorer(folder, read_results(folder)).comparisons
    json.dumps(made, allow_nan=False)
    case = made[0]["cases"][0]
    shown = case["pictures"][case["lines"][0]["problems"][0]["inputs"][0]]
    codes = list(b64decode(shown))
    assert codes[0] == LOST
    assert LOST not in codes[1:]


def test_what_has_no_room_is_left_out_and_counted(swept):
    results = read_results(swept)
    everything = explorer(swept, results)
    lines = sum(len(case["lines"]) for each in everything.comparisons for case in each["cases"])
    less = explorer(swept, results, budget=5_000)
    kept = sum(len(case["lines"]) for each in less.comparisons for case in each["cases"])
    assert 0 < kept < lines
    assert kept + less.left_out == lines
    assert less.steps == 5


@pytest.mark.parametrize(("count", "at_most"), [(1, 20), (2, 20), (20, 20), (81, 20), (10_000, 5)])
def test_steps_are_spread_from_the_first_to_the_last(count, at_most):
    places = spread(count, at_most)
    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) == min(count, at_most)
    assert places == sorted(set(places))


def test_errors_become_bytes_that_are_fine_near_nothing():
    errors = np.array([0.0, 2.0, -2.0, 0.02, 2.1, -3e38, np.nan, np.inf])
    codes = differences(errors, reach=2.0).astype(int) - ZERO
    assert codes.tolist() == [0, 126, -126, 13, 127, -127, -128, -128]
    small = np.linspace(0, 2, 1000)
    back = 2 * ((differences(small, reach=2.0).astype(int) - ZERO) / LARGEST) ** 2
    assert np.abs(back - small).max() <= 2 / LARGEST


needs_a_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium or no chromedriver on PATH"
)


@pytest.fixture(scope="module")
def browser(swept):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    write_figures(swept)
    page = write_report(swept).as_uri()
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(LONGEST)
    driver.get(page)
    yield driver
    driver.quit()


def pixels(browser, name: str) -> list[int]:
    return browser.execute_script(
        "const map = document.getElementById(arguments[0]);"
        "const all = map.getContext('2d').getImageData(0, 0, map.width, map.height).data;"
        "return Array.from(all);",
        name,
    )


@needs_a_browser
def test_the_slider_shows_each_step_of_what_was_chosen(browser, swept):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    browser.refresh()
    chosen = {"task": "shortest_path", "case": "12 nodes (harder)", "method": "irem"}
    for name, value in chosen.items():
        Select(browser.find_element(By.ID, name)).select_by_value(value)
    Select(browser.find_element(By.ID, "problem")).select_by_value("1")
    slider = browser.find_element(By.ID, "step")
    before = pixels(browser, "map-answer"), pixels(browser, "map-target")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    said = browser.find_element(By.ID, "now").text

    results = read_results(swept).query("task == 'shortest_path' and size == 12")
    trace = read_trace(swept, next(results[results["method"] == "irem"].itertuples()))
    own = trace.query("problem == 1 and step == 2").iloc[0]
    numbers = re.fullmatch(r"Step 2 of 5\. Error: (\S+)\. Energy: (\S+)\.", said)
    assert [float(number) for number in numbers.groups()] == pytest.approx(
        [own["error"], own["energy"]], rel=1e-3
    )
    assert pixels(browser, "map-answer") != before[0]
    assert pixels(browser, "map-target") == before[1]
    assert slider.get_attribute("aria-valuetext") == "step 2 of 5"


@needs_a_browser
def test_a_method_without_an_energy_shows_none(browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    browser.refresh()
    assert browser.find_elements(By.ID, "energy-curve")
    Select(browser.find_element(By.ID, "method")).select_by_value("recurrent")
    assert "Energy" not in browser.find_element(By.ID, "now").text
    assert not browser.find_elements(By.ID, "energy-curve")


@needs_a_browser
def test_a_picture_says_what_its_colours_do_not(browser, with_an_infinite_input):
    from selenium.webdriver.common.by import By

    page = browser.current_url
    browser.get(write_report(with_an_infinite_input).as_uri())
    said = [each.text for each in browser.find_elements(By.CLASS_NAME, "beyond")]
    browser.get(page)
    assert re.fullmatch(r"1 of \d+ entries not finite", said[0])


@needs_a_browser
def test_the_slider_is_reached_by_the_keyboard_and_the_focus_is_seen(browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.refresh()
    reached = []
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
        if reached[-1] == "step":
            break
    assert reached[-5:] == ["task", "case", "method", "problem", "step"]
    slider = browser.switch_to.active_element
    assert slider.value_of_css_property("outline-style") == "solid"


@needs_a_browser
def test_dark_mode_is_dark(browser):
    def background(scheme: str) -> int:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        body = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", body)[:3]))

    assert background("dark") < 150
    assert background("light") > 600


@needs_a_browser
@pytest.mark.parametrize("width", [420, 1200])
def test_nothing_is_wider_than_the_window(browser, width):
    about = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", about)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


@needs_a_browser
def test_the_page_asks_for_nothing_and_reports_no_error(browser):
    browser.refresh()
    messages = [json.loads(entry["message"]) for entry in browser.get_log("performance")]
    sent = [
        each["message"]["params"]["request"]["url"]
        for each in messages
        if each["message"]["method"] == "Network.requestWillBeSent"
    ]
    assert sent
    assert all(url.startswith(("file:", "data:")) for url in sent)
    assert browser.get_log("browser") == []
