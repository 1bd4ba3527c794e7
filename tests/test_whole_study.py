"""The study as a stranger runs it: every notebook, top to bottom, by the driver, on an empty disk.

Training is cut short: what is shown is that everything runs and answers, not how well.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import seen_faces
from test_corpora_flow import write_flat

from mer_utils import corpora, paths, synthetic
from mer_utils.reporting import pages

ALL = {path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Data and reports of these tests; the synthetic corpora are made once."""
    return tmp_path_factory.mktemp("a disk")


def study(disk, *options):
    surroundings = {"MER_DATA": str(disk / "data"), "MER_REPORTS": str(disk / "reports")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "mer_utils", *options],
        env=os.environ | surroundings, cwd=paths.ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quick_look(disk):
    """The study of the synthetic corpora, which other tests go on with."""
    short = ("--systems", "majority,svm,ststnet", "--set", "ststnet.epochs=2", "--smoke")
    return study(disk, *short)


def reports(disk, folder):
    found = (disk / "reports" / "html" / folder).glob("*.html")
    return {report.name.partition("-")[0]: report for report in map(pages.load, sorted(found))}


def assert_answered(done, made, expected):
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(made) >= expected
    for name, report in made.items():
        assert report.answer and not report.error, f"{name}: {report.error}"


def test_every_notebook_runs_and_answers(disk, quick_look):
    assert_answered(quick_look, reports(disk, "synthetic-smoke"), ALL)
    assert not (disk / "reports" / "tables").exists()  # a quick look makes no results


@pytest.mark.slow
def test_a_plan_computes_no_view(disk, quick_look):
    files = {file.relative_to(disk) for file in disk.rglob("*")}
    planned = study(disk, "--systems", "svm", "--notebooks", "41", "--plan")
    assert (
        planned.returncode == 0
        and "trains" in planned.stdout
        and "1 run to train" in (planned.stdout)
    )
    (disk / "data" / "cache").rename(disk / "data" / "elsewhere")
    planned = study(disk, "--systems", "svm", "--notebooks", "41", "--plan")
    assert planned.returncode == 0 and "svm, last, seed 0 not trained" in planned.stdout
    (disk / "data" / "elsewhere").rename(disk / "data" / "cache")
    assert {file.relative_to(disk) for file in disk.rglob("*")} == files


@pytest.mark.slow
def test_results_are_those_of_the_declared_study(disk):
    """What another command has trained is kept, and counts as soon as it is declared again."""
    for systems in ("svm", "majority", "majority,svm"):
        done = study(disk, "--systems", systems, "--notebooks", "41")
        assert done.returncode == 0, done.stderr
        asked = {line.split()[0] for line in done.stdout.splitlines() if " small" in line}
        assert asked == set(systems.split(","))
    assert "0 runs to train" in done.stdout
    table = pd.read_csv(disk / "reports" / "tables" / "synthetic_results.csv")
    assert set(table["system"]) == {"majority", "svm"} and set(table["preset"]) == {"small"}
    rows = pd.read_csv(disk / "reports" / "predictions" / "synthetic.csv.gz")
    assert set(rows["system"]) == {"majority", "svm"}


@pytest.mark.slow
def test_a_corpus_without_action_units_has_its_answers_too(disk, quick_look):
    folder = disk / "data" / "synthetic" / "smic"
    some = "20,31,33,40,41,50,52,53,54,55,56,90"
    done = study(disk, "--corpus", "smic", "--data", str(folder), "--smoke", "--systems", "svm",
                 "--notebooks", some)  # fmt: skip
    made = reports(disk, "smic-smoke")
    assert_answered(done, made, {name for name in ALL if name[:2] in some.split(",")})
    assert "action units" in made["20_region_graph"].answer.partition(" on smic")[0]


@pytest.mark.slow
def test_no_page_shows_a_face_of_people_or_a_folder_of_the_machine(disk, quick_look):
    """Four of the synthetic people in CASME II's layout, taken for a licensed copy."""
    synthetic, licensed = disk / "data" / "synthetic" / "casme2", disk / "licensed"
    for subject in ("sub02", "sub06", "sub09", "sub12"):
        place = f"CASME2_RAW_selected/{subject}"
        shutil.copytree(synthetic / place, licensed / place)
    shutil.copy(synthetic / "CASME2-coding-20140508.xlsx", licensed)
    done = study(disk, "--corpus", "casme2", "--data", str(licensed), "--smoke", "--systems", "svm")
    assert_answered(done, reports(disk, "casme2-smoke"), ALL)
    html = disk / "reports" / "html"
    seen = {}
    for folder in ("casme2-smoke", "synthetic-smoke"):
        pages_of = [page.read_text("utf-8") for page in html.glob(f"{folder}/*.html")]
        seen[folder] = sum(map(seen_faces.faces_in, pages_of))
    assert seen["casme2-smoke"] == 0 and seen["synthetic-smoke"] >= 2  # 10_faces, 30_baselines
    for page in (html / "casme2-smoke").glob("*.html"):
        text = page.read_text("utf-8")
        assert not any(str(place) in text for place in (disk, paths.ROOT, Path.home())), page.name


@pytest.mark.slow
def test_flow_images_without_landmarks_leave_four_notebooks_out_and_say_so(disk, quick_look):
    people = [("casme2", f"sub{n:02}") for n in range(1, 7)]
    clips = [
        (corpus, subject, f"EP{n:02}_0{label}", label, f"{subject}_EP{n:02}_0{label}")
        for n, (corpus, subject) in enumerate(people, start=1)
        for label in (0, 1, 2)
    ]
    folder = write_flat(disk / "flow", clips)
    asked = ("--corpus", "megc2019_flow", "--data", str(folder), "--smoke", "--systems",
             "majority,svm,ststnet", "--set", "ststnet.epochs=1", "--jobs", "2")  # fmt: skip
    done = study(disk, *asked)
    without = {"20_region_graph", "31_mhssa_gcn", "32_htnet", "54_explanations"}
    made = reports(disk, "megc2019_flow-smoke")
    assert_answered(done, made, ALL - without)
    assert not without & set(made)
    for name in without:
        assert f"Without {name}: megc2019_flow has no landmarks" in done.stdout
    refused = study(disk, *asked, "--notebooks", "20")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: 20_region_graph: megc2019_flow has no landmarks;")


def write_own(disk, *classes):
    """A csv of clips of six made persons, their classes dealt in turn, the clips of each person as
    many and named alike."""
    clips = corpora.load("casme2", disk / "data" / "synthetic" / "casme2").clips
    counts = clips["subject"].value_counts().head(6)
    clips = clips[clips["subject"].isin(counts.index)].groupby("subject").head(counts.min())
    numbers = clips.groupby("subject").cumcount() + 1
    table = clips[["subject", "onset", "apex", "offset"]].assign(path=clips["frames"])
    table = table.assign(clip="clip_" + numbers.astype(str))
    table["label"] = np.resize(classes, len(table))
    file = disk / f"{len(classes)}.csv"
    table.to_csv(file, index=False)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("classes", [5, ("happy", "sad"), tuple("abcdefg")])
def test_every_notebook_runs_on_two_five_and_seven_classes(disk, classes):
    synthetic.write(disk / "data" / "synthetic", progress=False)
    if classes == 5:
        corpus, data = "casme2-5", disk / "data" / "synthetic" / "casme2"
    else:
        corpus, data = f"own-{','.join(classes)}", write_own(disk, *classes)
    short = ("--systems", "majority,svm,ststnet", "--set", "ststnet.epochs=2", "--smoke")
    done = study(disk, "--corpus", corpus, "--data", str(data), *short)
    made = reports(disk, f"{corpus}-smoke")
    assert_answered(done, made, ALL)
    assert not made["41_loso"].error and str(disk) not in made["01_corpora"].answer
    if classes != 5:
        assert "`clip_names` adds cannot be asked here" in made["40_protocol"].answer
