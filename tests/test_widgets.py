"""Controls that look inside: what they show follows what is chosen."""

from pathlib import Path

import ipywidgets
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views, prediction_rows

from mer_utils import experiments, paths
from mer_utils.analysis import failures
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import protocol
from mer_utils.preprocessing import regions
from mer_utils.reporting import widgets
from mer_utils.reporting.plots import style

matplotlib.use("Agg")
CLIPS = clip_table()
VIEWS = made_views(CLIPS)


@pytest.fixture
def shown(monkeypatch):
    """Figures and words, as they come."""
    seen = []
    monkeypatch.setattr(widgets, "_show", lambda place, *shown: seen.extend(shown))
    return seen


def controls(widget):
    found = {}
    for child in getattr(widget, "children", ()):
        found |= controls(child)
        if isinstance(child, ipywidgets.Dropdown):
            found[child.description] = child
    return found


def test_failures_shows_the_clips_of_the_cell_that_is_chosen(shown):
    rows = prediction_rows(CLIPS[["corpus", "subject", "clip", "label"]], right=0.3)
    rows = pd.concat([rows, rows.assign(system="other", predicted=CLASSES[0])], ignore_index=True)
    chosen = controls(widgets.failures(rows, VIEWS))
    chosen["system"].value, chosen["label"].value = "made", CLASSES[1]
    for name in CLASSES:
        chosen["predicted"].value = name
        mine = rows[(rows["system"] == "made") & (rows["label"] == CLASSES[1])]
        expected = (mine["predicted"] == name).sum()
        options = [value for _, value in chosen["clip"].options if value >= 0]
        assert len(options) == expected
        if expected:
            assert any("other: negative" in word for word in shown if isinstance(word, str))
    chosen["system"].value = "other"
    chosen["predicted"].value = CLASSES[2]
    assert chosen["clip"].options == (("no clip", -1),)


def test_failures_speaks_of_the_clips_that_have_rows(shown):
    """A quick look predicts few clips, and those need not come first."""
    part = CLIPS.iloc[[3, 4, 11, 17, 18, 25]]
    rows = prediction_rows(part[["corpus", "subject", "clip", "label"]], right=0.5)
    chosen = controls(widgets.failures(rows, VIEWS))
    offered = set()
    for label in CLASSES:
        for name in CLASSES:
            chosen["label"].value, chosen["predicted"].value = label, name
            places = [place for _, place in chosen["clip"].options if place >= 0]
            mine = rows[(rows["label"] == label) & (rows["predicted"] == name)]
            assert sorted(places) == sorted(mine.index)
            offered |= set(places)
    assert offered == set(part.index)
    told = failures.predictions(rows, CLIPS)
    assert list(told.index) == list(part.index)
    assert list(told["made"]) == list(rows["predicted"])


def test_region_graphs_follow_who_is_left_out(shown):
    units = np.resize(["1+2", "12", "4", "6+12", "1", "4+9"], len(CLIPS))
    clips = CLIPS.assign(action_units=units)
    chosen = controls(widgets.region_graphs(clips, VIEWS.arrays["landmarks"].mean(axis=0)))
    chosen = chosen["left out"]
    folds = protocol.folds(clips)
    assert [number for _, number in chosen.options] == list(range(len(folds)))
    stack = np.array([regions.co_occurrence(clips.iloc[fold.train]) for fold in folds])
    for number in (0, 3):
        shown.clear()
        chosen.value = (number + 1) % len(folds)
        shown.clear()
        chosen.value = number
        drawn = shown[0].axes[1].collections[0].get_array()
        np.testing.assert_allclose(drawn, stack[number] - stack.mean(axis=0))
        assert f"{folds[number].corpus} {folds[number].subject}" in shown[1]


def test_ablations_shows_the_questions_of_what_is_chosen(shown):
    answered = pd.DataFrame(
        {
            "ingredient": ["graph", "class weights", "graph"],
            "ablation": ["mhssa_gcn/no_graph", "svm/unbalanced", "am_gcn/no_graph"],
            "question": ["A?", "B?", "C?"],
            "effect": [0.1, -0.02, 0.0],
            "low": [0.05, -0.04, -0.1],
            "high": [0.15, 0.01, 0.1],
            "answer": ["it helps", "no difference shown", "no difference shown"],
        }
    )
    chosen = controls(widgets.ablations(answered))["show"]
    shown.clear()
    chosen.value = ("ingredient", "graph")
    words = [word for word in shown if isinstance(word, str)]
    labels = [style.title("mhssa_gcn/no_graph"), style.title("am_gcn/no_graph")]
    assert [word.partition(":")[0] for word in words] == labels
    assert "A? it helps (+0.100)" in words[0]
    axis = shown[0].axes[0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == labels


def test_curves_follow_the_run(shown, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    few = experiments.subset(VIEWS, 3)
    for system, fields in (("ststnet", {"epochs": 3}), ("svm", {})):
        declared = experiments.declare(system, "made", few, **fields)
        experiments.run(declared, few, jobs=1, device="cpu", progress=False)
    runs = experiments.find(corpus="made").sort_values("system")
    chosen = controls(widgets.curves(runs))["run"]
    assert len(shown) == 2
    line = shown[0].axes[0].lines[0]
    assert len(line.get_xdata()) == 3 and np.isfinite(line.get_ydata()).all()
    chosen.value = runs["key"].iloc[1]
    assert shown[-1] == "This system is fitted in one go: it has no epochs."


def test_what_is_shown_takes_the_place_of_what_was():
    place = ipywidgets.VBox()
    fig, _ = plt.subplots(figsize=(4, 3))
    widgets._show(place, fig, "sd < 0.1 & more", pd.DataFrame({"clip": ["006_1_2"]}))
    picture, words, table = place.children
    assert bytes(picture.value).startswith(b"\x89PNG") and picture.layout.width == "320px"
    assert words.value == "sd &lt; 0.1 &amp; more" and "006_1_2" in table.value
    assert not plt.fignum_exists(fig.number)
    widgets._show(place, "other")
    assert [child.value for child in place.children] == ["other"]
    assert picture.comm is None  # closed: a long look leaves nothing behind


def test_no_widget_lets_an_output_answer_its_kernel():
    """nbclient issue 312: a cell that shows ipywidgets.Output may never end under papermill."""
    assert "Output(" not in Path(widgets.__file__).read_text(encoding="utf-8")
