"""The driver: mistakes told in one line, failing notebooks that stop nobody, reports left alone."""

import argparse
import contextlib
import dataclasses
import errno
import io
import json
import sys
import tempfile
import threading
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest
from made_clips import clip_table, made_views
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from mer_utils import cli, environment, paths
from mer_utils.errors import StudyError
from mer_utils.experiments import studies
from mer_utils.reporting import driver, execution, pages, progress, request
from mer_utils.reporting.execution import Job
from mer_utils.reporting.progress import Progress, Step

REPORT = "from mer_utils.reporting import report"
GOOD = f"""
import matplotlib.pyplot as plt
{REPORT}
fig, axis = plt.subplots(figsize=(2, 2))
axis.plot([0, number])
report.show(fig, alt="A line that rises to the number given.")
"""


def notebook(folder, name, *sources):
    cells = [
        new_markdown_cell("# Does it run?\n\nA formula: $a^2 + b^2$ and a link to nowhere."),
        new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        new_markdown_cell("## First part"),
        *(new_code_cell(source) for source in sources),
        new_markdown_cell("## Second part"),
        new_code_cell(f"{REPORT}\nreport.answer(f'It ran with {{number}}.')"),
    ]
    made = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"} | {
        "language": "python"
    }
    path = folder / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Five run by the driver: one fails, one is killed, one has nothing to read; then again."""
    folder = tmp_path_factory.mktemp("with a space")
    jobs = [
        Job(
            notebook=str(notebook(folder, name, *sources)),
            name=name,
            corpus="made",
            executed=str(folder / "executed" / "made"),
            html=str(folder / "html" / "made"),
            parameters={"number": 7},
        )
        for name, sources in {
            "10_good": [GOOD],
            "11_bad": ["1 / 0"],
            "12_after": ["print('still there')"],
            "13_killed": ["import os\nos.kill(os.getpid(), 9)"],
            "50_early": [f"{REPORT}\nreport.stop('No run is there.')"],
        }.items()
    ]
    steps = [Step(job, "a report", 1.0) for job in jobs]
    terminal = io.StringIO()
    with contextlib.redirect_stdout(terminal):
        failed = driver.execute(steps, 2, Progress(steps, 1), "same")
    before = (folder / "html" / "made" / "10_good.html").stat().st_mtime_ns
    steps = [
        Step(job, "nothing has changed", 0.0) if driver.is_made(job, "same") else step
        for job, step in zip(jobs, steps, strict=True)
    ]
    again = driver.execute(steps, 2, Progress(steps, 1), "same")
    after = (folder / "html" / "made" / "10_good.html").stat().st_mtime_ns
    index = pages.write_index(folder)
    return {"failed": failed, "again": again, "kept": before == after, "folder": folder,
            "index": index.read_text("utf-8"), "terminal": terminal.getvalue()}  # fmt: skip


def page(reports, name):
    return (reports["folder"] / "html" / "made" / f"{name}.html").read_text(encoding="utf-8")


def test_the_notebook_that_trains_takes_all_that_makes_a_run():
    """Else a leak, or a field changed by hand, would be dropped without a word."""
    (line, *_) = studies.expand([{"systems": ["svm"]}])
    options = argparse.Namespace(device="cpu", dask="", jobs=1, keep_weights=False)
    passed = set(request.parameters_of(line, options)) - {"label"}
    assert passed <= set(execution.parameters(paths.NOTEBOOKS / f"{request.TEMPLATE}.ipynb"))


def test_a_notebook_is_given_lists_where_a_command_holds_tuples():
    asked = argparse.Namespace(folder="made")
    group = {"systems": ("svm", "ststnet"), "seeds": (0,)}
    path = paths.NOTEBOOKS / "50_comparison.ipynb"
    job = driver._job(asked, path, path.stem, "", {"runs": [group], "unknown": 1})
    assert job.parameters == {"runs": [{"systems": ["svm", "ststnet"], "seeds": [0]}]}


def test_a_failing_notebook_is_named_and_the_others_go_on(reports):
    assert sorted(reports["failed"]) == ["11_bad", "13_killed"]
    assert "still there" in page(reports, "12_after")


def test_a_full_disk_of_temporary_files_is_a_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(execution.papermill, "execute_notebook", full)
    folders = str(tmp_path / "executed"), str(tmp_path / "html")
    steps = [Step(Job(str(notebook(tmp_path, "10_good")), "10", "made", *folders), "", 1.0)]
    assert driver.execute(steps, 1, Progress(steps, 1), "same") == ["10"]
    told = pages.load(steps[0].job.page).error
    assert told.startswith(f"DiskError: {tempfile.gettempdir()} cannot be used (No space left")
    assert told.endswith("with TMPDIR=/another/disk")


def test_as_many_runs_train_at_once_as_are_allowed_beside_other_notebooks(tmp_path, monkeypatch):
    """Two notebooks and a run meet; the other run comes when that one has ended."""
    steps, there, runs, meeting = [], [], [], threading.Barrier(3)
    for name, folds in (("41-a", 3), ("41-b", 3), ("10", 0), ("50", 0)):
        folders = str(tmp_path / "executed"), str(tmp_path / "html")
        job = Job(str(notebook(tmp_path, name)), name, "made", *folders)
        steps.append(Step(job, "", 1.0, folds=folds))

    def run(job):
        there.append(job.name)
        runs.append(sum(name.startswith("41") for name in there))
        if len(runs) <= 3:
            meeting.wait(60)  # raises where fewer than three are let in
        there.remove(job.name)
        raise RuntimeError("no notebook is run here")

    monkeypatch.setattr(driver.execution, "run", run)
    driver.execute(steps, 4, Progress(steps, 1), "same", trained=1)
    assert len(runs) == 4 and max(runs) == 1
    assert not meeting.broken


def test_the_terminal_says_why_a_notebook_failed_or_ended_early(reports):
    lines = {line.split(":")[0].split()[-1]: line for line in reports["terminal"].splitlines()}
    assert "ZeroDivisionError: division by zero" in lines["11_bad"]
    assert "was killed, as happens where memory is short: run" in lines["13_killed"]
    assert "No run is there" in lines["50_early"]
    assert "No run" not in lines["12_after"] and "FAILED" not in lines["50_early"]


def test_time_is_left_for_as_long_as_a_notebook_is_to_come(tmp_path, capsys):
    jobs = [Job(str(tmp_path), name, "made", str(tmp_path), str(tmp_path)) for name in "abc"]
    steps = [
        Step(job, "a report", seconds) for job, seconds in zip(jobs, (1e-9, 1e-9, 0), strict=True)
    ]
    shown = Progress(steps, 1)
    shown.started(jobs[0])
    shown.ended(jobs[0])
    assert "left" in capsys.readouterr().out and progress.clock(shown.left()) != "0 s"
    shown.ended(jobs[1])
    assert "left" not in capsys.readouterr().out  # the last one has not changed


def test_a_notebook_never_run_is_expected_to_take_as_long_as_it_once_took(tmp_path):
    # seconds of a run from nothing on two cores, two notebooks at a time
    took = {"00": 6, "01": 10, "10": 9, "11": 30, "20": 10, "30": 20, "31": 51, "32": 52, "33": 35}
    took |= {"34": 124, "35": 88, "40": 22, "50": 15, "51": 7, "52": 5, "53": 8, "54": 52, "55": 97}
    took |= {"56": 17, "57": 30, "60": 18, "90": 9}
    expected = {}
    for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"):
        job = Job(str(path), path.stem, "made", str(tmp_path), str(tmp_path))
        expected[path.stem[:2]] = progress.step(None, job, None, False).seconds
    del expected["41"]  # by its folds
    assert expected.keys() == took.keys()
    assert 2 / 3 < sum(expected.values()) / sum(took.values()) < 3 / 2


def test_a_plan_without_a_report_is_a_sentence(tmp_path):
    assert progress.plan([]).startswith("Nothing to run")
    job = Job(str(tmp_path), "50_all", "made", str(tmp_path), str(tmp_path))
    assert "50_all" in progress.plan([Step(job, "a report", 1.0)])


def test_the_failed_page_and_the_index_say_what_happened(reports):
    assert "ZeroDivisionError" in page(reports, "11_bad")
    assert "ZeroDivisionError" in reports["index"]
    assert "made/11_bad.html" in reports["index"]


def test_a_report_that_would_show_the_same_is_left_alone_and_a_failed_one_is_tried_again(reports):
    assert reports["kept"]
    assert sorted(reports["again"]) == ["11_bad", "13_killed"]


def test_parameters_reach_the_notebook_and_its_answer_the_index(reports):
    assert "It ran with 7." in page(reports, "10_good")
    assert "It ran with 7." in reports["index"]


def test_the_index_lists_pages_that_came_with_a_clone_and_people_before_made_faces(tmp_path):
    html = tmp_path / "html"
    known = {
        corpus: pages.Report(
            "50_all", "50_all", 'Which is "best"?', corpus, "2026", 1.5, synthetic=s
        )
        for corpus, s in (("synthetic", True), ("a_long_name", False))
    }
    for corpus, report in known.items():
        cells = [new_markdown_cell("# A question?")]
        made = pages.page(new_notebook(cells=cells), report)
        pages.write(html / corpus / "50_all.html", made)
        assert pages.load(html / corpus / "50_all.html") == report
    pages.write(html / "other" / "page.html", "<title>not ours</title>")
    moved = (html / "synthetic" / "50_all.html").rename(html / "other" / "moved.html")
    index = pages.write_index(tmp_path).read_text(encoding="utf-8")
    assert "2 reports" in index and "not ours" not in index
    assert index.index("a_long_name/50_all.html") < index.index("other/moved.html")
    assert moved.is_file() and "synthetic/50_all.html" not in index


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.loads, self.images, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        if tag == "img":
            self.images.append(found.get("alt", ""))
        if tag in ("script", "img", "iframe", "source"):
            self.loads.append(found.get("src", ""))
        if tag == "link":
            self.loads.append(found.get("href", ""))


def test_a_page_needs_no_network_and_speaks_to_who_cannot_see_it(reports):
    found = Page(page(reports, "10_good"))
    assert not [load for load in found.loads if load and not load.startswith("data:")]
    assert "@import" not in page(reports, "10_good")
    assert found.images == ["A line that rises to the number given."]
    assert {"main", "details", "math", "nav"} <= found.tags
    assert 'lang="en"' in page(reports, "10_good")


def test_a_page_lists_its_contents(reports):
    assert all(f">{part}<" in page(reports, "10_good") for part in ("First part", "Second part"))


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--corpse", "smic"], "--corpus"),
        (["--corpus", "megc2019flow"], "megc2019_flow"),
        (["--systems", "mhssa_gnc"], "mhssa_gcn"),
        (["--systems", "ststnet/no_strane"], "no_strain"),
        (["--set", "ststnet.learning_rat=1"], "learning_rate"),
        (["--set", "ststnet.epochs=many"], "epochs"),
        (["--notebooks", "42"], "notebook"),
        (["--seeds", "one"], "one"),
        (["--seeds", "0,-1"], "like 0,1,2"),
        (["--jobs", "0"], "from 1 up; ./run_all.sh --help says"),
        (["train", "svm", "--seed", "1.5"], "--seeds/--seed: '1.5' are not whole numbers"),
        (["--preset", "big"], "choose from"),
        (["keep"], "./run_all.sh keep --help"),
        (["views", "smic", "nowhere/at/all.npz"], "nowhere/at is no folder: make it"),
        (["views", "smic", "views.csv"], "is no .npz file"),
        (["--selection", "test"], "last"),
        (["--corpus", "smic", "--data", "nowhere/at/all"], "nowhere/at/all"),
    ],
)
def test_a_mistake_is_said_in_one_sentence_with_what_was_meant(words, said, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error


def test_the_list_of_runs_fits_a_terminal(monkeypatch, capsys):
    run = {"key": "megc2019_flow-mhssa_gcn+coded_spatial_bias-last-seed0-c1ada55c", "of": 68}
    run |= {"began": "2026-01-01T00:00:00", "folds": 7, "preset": "small", "precision": "fp32"}
    monkeypatch.setattr("mer_utils.experiments.find", lambda: pd.DataFrame([run]))
    assert cli.main(["list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) <= 100 and line.endswith(run["key"]) and "7/68 folds" in line


def test_a_plan_makes_nothing(tmp_path, monkeypatch, capsys):
    for name in ("SYNTHETIC", "CACHE", "RUNS", "REPORTS", "HTML", "EXECUTED"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    assert cli.main(["--plan", "--systems", "svm,ststnet", "--notebooks", "01,41"]) == 0
    lines = capsys.readouterr().out
    assert "01_corpora" in lines and "52_ablations" not in lines
    assert all(f"{name}, last, seed 0 not trained" in lines for name in ("svm", "ststnet"))
    assert "Nothing is trained" not in lines
    assert cli.main(["--plan", "--systems", "svm", "--notebooks", "50"]) == 0
    assert "Nothing is trained: 41_loso is not among" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


# --- the environment ------------------------------------------------------------------------------


def test_this_environment_holds_every_pin():
    assert not [package for package in environment.packages() if not package.holds]


def test_a_package_installed_from_elsewhere_or_not_at_all_is_named(monkeypatch, tmp_path):
    for folder, problem in ((tmp_path, "another checkout"), (None, "not installed")):
        monkeypatch.setattr(environment, "project_folder", lambda folder=folder: folder)
        assert problem in environment.problems()[-1]
    monkeypatch.setattr(environment, "project_folder", lambda: paths.ROOT)
    assert environment.problems() == []


def test_an_environment_of_another_checkout_is_left_to_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(environment, "project_folder", lambda: tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert environment.other_checkout() is None  # that checkout has been deleted
    (tmp_path / "mer_utils").mkdir()
    assert cli.main(["environment", "--check"]) == 2
    assert capsys.readouterr().err.count(str(tmp_path)) == 2
    monkeypatch.setattr(sys, "prefix", str(paths.ROOT / ".venv"))
    assert environment.other_checkout() is None  # copied with its environment, which is its own


def test_every_direct_dependency_has_an_exact_version():
    assert all(version[0].isdigit() for version in environment.pins().values())
    assert environment.requirements()[-1] == "-e ."


def test_a_loose_pin_is_refused(tmp_path):
    loose = tmp_path / "environment.yml"
    loose.write_text("dependencies:\n  - pip:\n      - torch>=2\n")
    with pytest.raises(StudyError, match="torch>=2"):
        environment.pins(loose)


def test_another_version_is_named(tmp_path):
    other = tmp_path / "environment.yml"
    other.write_text("dependencies:\n  - pip:\n      - numpy==0.0.1\n      - nowhere==1.0\n")
    found = " ".join(environment.problems(other))
    assert "numpy" in found and "0.0.1" in found and "nowhere missing" in found


def test_the_lock_names_versions_and_no_place():
    lines = environment.lock().splitlines()[1:]
    assert all(line.count("==") == 1 and "/" not in line for line in lines)
    assert json.dumps(lines).count("torch==") == 1


def test_what_a_report_shows_has_another_hash_when_any_of_it_changes(tmp_path, monkeypatch):
    """Sources, clips, views and runs: a page made from others is made again."""
    clips = clip_table(4, 2)
    views = made_views(clips)
    other = clips.copy()
    other.loc[0, "label"] = "surprise" if clips["label"][0] != "surprise" else "negative"
    pixel = {name: values.copy() for name, values in views.arrays.items()}
    pixel["flow"][0, 0, 0, 0] += 1e-3
    left_out = pd.DataFrame({"corpus": ["made"], "subject": ["9"], "clip": ["a"], "reason": ["?"]})
    changed = [{"clips": other}, {"arrays": pixel}, {"exclusions": left_out}]
    hashes = [driver.data_hash(dataclasses.replace(views, **each)) for each in [{}, *changed]]
    assert len(set(hashes)) == 4 and driver.data_hash(made_views(clip_table(4, 2))) == hashes[0]

    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    folds = tmp_path / "runs" / "one-svm" / "folds"
    folds.mkdir(parents=True)
    seen = [driver.runs_hash("one")]
    for file in (folds / "a.npz", folds / "b.npz", tmp_path / "runs" / "one-svm.zip"):
        file.touch()
        seen.append(driver.runs_hash("one"))
    assert len(set(seen)) == 4
    (tmp_path / "runs" / "one_b-svm.zip").touch()  # of another corpus: no report changes
    assert driver.runs_hash("one") == seen[-1]

    package = tmp_path / "mer_utils"
    (package / "plots").mkdir(parents=True)
    (package / "plots" / "one.py").write_text("x = 1")
    monkeypatch.setattr(paths, "PACKAGE", package)
    before = driver.source_hash()
    (package / "plots" / "one.py").write_text("x = 2")
    assert driver.source_hash() != before
