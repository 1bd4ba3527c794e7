"""A corpus in other classes than the three: from its sheet to the tables, apart from the rest."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from made_clips import clip_table, made_views
from matplotlib.colors import to_hex
from test_corpora_releases import write_casme2

from mer_utils import cli, corpora, experiments, paths
from mer_utils import systems as all_systems
from mer_utils.analysis import failures, leaks, published
from mer_utils.corpora import CLASSES, KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, scores, statistics
from mer_utils.preprocessing.views import Views
from mer_utils.reporting.plots import results as result_plots
from mer_utils.reporting.plots.style import class_colours
from mer_utils.systems import cost

matplotlib.use("Agg")
FIVE = ("others", "disgust", "happiness", "repression", "surprise")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """CASME II's layout: four people, each with two clips of every one of the five classes."""
    rows = [
        [person, f"EP{number:02d}", 10, 12, 14, "4", FIVE[number % 5]]
        for person in (1, 2, 3, 4)
        for number in range(10)
    ]
    rows.append([1, "EP90", 10, 12, 14, "1", "fear"])
    return write_casme2(tmp_path_factory.mktemp("five") / "casme2", rows)


@pytest.fixture(scope="module")
def five(release):
    return corpora.load("casme2-5", release)


def given(clips: pd.DataFrame, classes) -> Views:
    """Flow whose bright patch tells the class."""
    random = np.random.default_rng(1)
    flow = random.normal(0, 1, (len(clips), 3, 28, 28)).astype(np.float32)
    for row, label in enumerate(clips["label"]):
        start = 5 * classes.index(label)
        flow[row, :, 10:18, start : start + 5] += 1.5
    empty = pd.DataFrame(columns=["corpus", "subject", "clip", "reason"])
    landmarks = random.uniform(0, 28, (len(clips), 68, 2)).astype(np.float32)
    return Views(clips, empty, {"flow": flow, "landmarks": landmarks})


def test_a_name_holds_scheme_and_apex(release, five):
    assert five.name == "casme2-5" and five.release == "casme2" and five.classes == FIVE
    assert len(five.clips) == 40 and "fear" in five.exclusions["reason"].iloc[0]
    for name, called in (
        ("casme2", "casme2"),
        ("casme2-3", "casme2"),
        ("casme2-sheet", "casme2"),
        ("casme2-5-midpoint", "casme2-5-midpoint"),
        ("casme2-midpoint-5", "casme2-5-midpoint"),
        ("casme2-spotted", "casme2-spotted"),
    ):
        assert corpora.load(name, release).name == called
    told = corpora.load("casme2", release, 5, "midpoint")
    assert told.name == "casme2-5-midpoint" and told.apex == "midpoint"
    assert set(told.clips["apex_source"]) == {"midpoint"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("casme2-6", "no scheme of 6 classes: choose 3 .* or 5"),
        ("casme2-midpint", "no scheme of midpint classes"),
        ("casm2-5", "corpus 'casm2' is not known, the nearest is 'casme2'"),
    ],
)
def test_what_is_not_known_is_refused(release, name, told):
    with pytest.raises(StudyError, match=told):
        corpora.load(name, release)


def test_five_classes_reach_every_table_and_never_the_others(five, tmp_path, monkeypatch):
    for name in ("RUNS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    views = given(five.clips, FIVE)
    for system, fields in (("majority", {}), ("svm", {}), ("ststnet", {"epochs": 2})):
        declared = experiments.declare(system, five.name, views, classes=five.classes, **fields)
        rows = experiments.run(declared, views, jobs=1, device="cpu", progress=False)
        assert [name for name in rows if name.startswith("p_")] == [f"p_{name}" for name in FIVE]
    three = made_views(clip_table())
    other = experiments.declare("svm", "casme2", three)
    experiments.run(other, three, jobs=1, progress=False)

    study = experiments.study(five.name, [{"systems": ["majority", "svm", "ststnet"], "epochs": 2}])
    runs = study.results
    assert sorted(runs["system"]) == ["majority", "ststnet", "svm"]
    rows = study.rows()
    assert study.classes == FIVE
    assert scores.classes_of(rows) == FIVE
    svm = rows[rows["system"] == "svm"]
    by_hand = [
        2 * tp / (2 * tp + wrong)
        for name in FIVE
        for tp in [((svm["label"] == name) & (svm["predicted"] == name)).sum()]
        for wrong in [((svm["label"] == name) ^ (svm["predicted"] == name)).sum()]
    ]
    assert scores.uf1(svm) == pytest.approx(np.mean(by_hand))
    table = statistics.summary(rows).set_index("system")
    assert table.loc["svm", "UF1"] == pytest.approx(np.mean(by_hand))
    assert table.loc["majority", "UAR"] == pytest.approx(1 / 5)
    assert len(statistics.compare(rows, count=50)) == 3
    prices = leaks.prices(study, runs).set_index("system")
    assert prices.loc["ststnet", "oracle"] >= prices.loc["ststnet", "honest"] - 1e-9
    fig = result_plots.confusion(svm, FIVE)
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == list(FIVE)
    fig = result_plots.clips(failures.by_clip(rows), FIVE)
    drawn = {
        patch.get_label(): to_hex(patch.get_facecolor()) for patch in fig.legends[0].get_patches()
    }
    assert drawn.items() >= class_colours(FIVE).items()  # a class has one colour on all pages
    result_plots.subjects(svm, FIVE)
    assert five.name not in published.COMPOSITE
    again = logs.read_rows(logs.write_rows(rows, tmp_path / "rows.csv.gz"))
    pd.testing.assert_frame_equal(statistics.summary(again), statistics.summary(rows))


def test_a_log_of_five_classes_is_read_and_scored(five, tmp_path, capsys):
    rows = five.clips[KEY].assign(label=five.clips["label"], predicted="disgust")
    rows = rows.assign(**dict.fromkeys([f"p_{name}" for name in FIVE], 0.2))
    log = logs.write_log(rows, tmp_path / "log.txt")
    again = logs.read_log(log, FIVE)
    assert sorted(again["label"]) == sorted(rows["label"])
    assert cli.main(["scores", str(log), "--classes", ",".join(FIVE)]) == 0
    assert f"{scores.uf1(rows, FIVE):.4f}" in capsys.readouterr().out
    with pytest.raises(StudyError, match="class [34] where 0 to 2 are known"):
        logs.read_log(log)


def test_rows_of_five_classes_are_not_scored_as_three():
    rows = pd.DataFrame({"label": ["disgust"], "predicted": ["disgust"]})
    with pytest.raises(StudyError, match="'disgust', which is none of negative"):
        scores.uf1(rows)
    assert scores.classes_of(rows) == CLASSES and scores.classes_of(rows, FIVE) == FIVE


def test_keys_of_three_classes_are_what_they_were():
    """Hours of runs are found again by their keys."""
    declared = experiments.Experiment(
        *("svm", "megc2019_flow", "small", 0, "last", "true", "{}", "0123456789abcdef"),
        precision="any",
    )
    assert declared.key == "megc2019_flow-svm-last-seed0-6c0540dc"


@pytest.mark.parametrize(
    "name", [name for name, module in all_systems.SYSTEMS.items() if all_systems.neural(module)]
)
def test_every_network_gives_a_score_for_each_class(name):
    module, config = all_systems.resolve(name, {}, "small")
    clips = pd.concat([cost.blank_clips()] * 2, ignore_index=True)
    views = {view: np.concatenate([values] * 2) for view, values in cost.blank_views().items()}
    config = all_systems.inputs.resolved(config, views)
    features = module.features(views, clips, config)
    net = module.network(config, 5, all_systems.fit_context(module, clips, features, config)).eval()
    with torch.no_grad():
        found = net(**{view: torch.as_tensor(values) for view, values in features.items()})
    scores = found[0] if isinstance(found, tuple) else found
    assert scores.shape == (2, 5) and torch.isfinite(scores).all()
