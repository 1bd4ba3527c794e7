"""Majority, SVM and STSTNet: known counts, known scores, and chance where there is nothing."""

import numpy as np
import pandas as pd
import pytest
import torch
from made_clips import made_views, official_clips
from torch import nn

from mer_utils import corpora, experiments, paths
from mer_utils.corpora import CLASSES, table
from mer_utils.evaluation import protocol, scores, statistics
from mer_utils.preprocessing import views
from mer_utils.systems import ststnet

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def real(megc2019_folder):
    """The 442 real flow images."""
    corpus = corpora.load("megc2019_flow", megc2019_folder)
    return views.compute(corpus, ("flow_legacy", "flow_centred"), jobs=1, progress=False)


def run(system: str, given, monkeypatch, tmp_path, **options) -> pd.DataFrame:
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    experiment = experiments.declare(system, "test", given, **options)
    return experiments.run(experiment, given, jobs=1, device="cpu", progress=False)


# --- majority -------------------------------------------------------------------------------------


def test_majority_on_the_official_counts(monkeypatch, tmp_path):
    """field.md B1: UF1 0.2408, UAR 0.3333, accuracy 0.5656; whoever is left out."""
    clips = table.clip_table(official_clips().to_dict("records"))
    rows = run("majority", made_views(clips), monkeypatch, tmp_path)
    assert set(rows["predicted"]) == {"negative"}
    assert scores.uf1(rows) == pytest.approx(0.2408, abs=5e-5)
    assert scores.uar(rows) == pytest.approx(0.3333, abs=5e-5)
    assert (rows["label"] == rows["predicted"]).mean() == pytest.approx(0.5656, abs=5e-5)


def test_majority_on_the_real_parts(real, monkeypatch, tmp_path):
    table = scores.table(run("majority", real, monkeypatch, tmp_path)).set_index("corpus")["UF1"]
    known = {"Full": 0.2408, "smic": 0.199, "casme2": 0.252, "samm": 0.273}
    assert table.to_dict() == pytest.approx(known, abs=6e-4)


# --- SVM ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def svm_rows(real, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        raw = {"flow": "flow_legacy", "mirror": False}
        yield run("svm", real, patch, tmp_path_factory.mktemp("svm"), **raw)


def test_svm_on_the_real_images_scores_what_was_measured(svm_rows):
    """field.md B6: .7159/.7177; .677/.678, .841/.839, .576/.587 on the parts."""
    table = scores.table(svm_rows).set_index("corpus")
    assert table.loc["Full", "UF1"] == pytest.approx(0.7159, abs=0.01)
    assert table.loc["Full", "UAR"] == pytest.approx(0.7177, abs=0.01)
    parts = table["UF1"].drop("Full").to_dict()
    assert parts == pytest.approx({"smic": 0.677, "casme2": 0.841, "samm": 0.576}, abs=0.02)


def test_random_folds_flatter_the_svm_on_the_real_images(real):
    """field.md E3: +0.056 UF1 from other clips of the same person, and nothing else."""
    flattered = experiments.try_folds("svm", real, protocol.random_folds(real.clips))
    honest = experiments.try_folds("svm", real, protocol.folds(real.clips))
    assert scores.uf1(flattered) > scores.uf1(honest) + 0.01


# --- STSTNet --------------------------------------------------------------------------------------


class Stream(nn.Sequential):
    """One stream as the authors write it."""

    def __init__(self, width: int):
        super().__init__(
            nn.Conv2d(3, width, 3, padding=2),
            nn.ReLU(),
            nn.BatchNorm2d(width),
            nn.MaxPool2d(3, stride=3, padding=1),
        )


def test_ststnet_has_the_parameters_of_its_authors():
    net = ststnet.network(ststnet.Config(), 3, {})
    assert sum(weights.numel() for weights in net.parameters()) == 1683


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_ststnet_is_three_streams_that_do_not_meet(layout):
    """Forward, gradient and running statistics of three separate streams with the same weights."""
    torch.manual_seed(0)
    config = ststnet.Config(dropout=0.0)
    net = ststnet.network(config, 3, {}).double().to(memory_format=layout)
    flow = torch.randn(16, 3, 28, 28, dtype=torch.double)
    places = np.split(np.arange(16), np.cumsum(config.widths)[:-1])
    parts = [Stream(width).double() for width in config.widths]
    for part, maps in zip(parts, places, strict=True):
        state = {name: value[maps] if value.ndim else value for name, value in
                 net.streams.state_dict().items()}  # fmt: skip
        part.load_state_dict(state)
    apart = torch.cat([part(flow) for part in parts], dim=1)
    together = net.streams(flow)
    torch.testing.assert_close(together, apart)
    apart.square().sum().backward()
    together.square().sum().backward()
    for part, maps in zip(parts, places, strict=True):
        torch.testing.assert_close(net.streams[0].weight.grad[maps], part[0].weight.grad)
        torch.testing.assert_close(net.streams[2].running_var[maps], part[2].running_var)


def test_ststnet_gives_every_parameter_a_gradient():
    net = ststnet.network(ststnet.Config(), 3, {})
    net(torch.randn(8, 3, 28, 28)).logsumexp(1).sum().backward()
    # the ReLU before BatchNorm leaves the convolution's bias a gradient too
    assert all(weights.grad.abs().sum() > 0 for weights in net.parameters())


def test_ststnet_without_strain_sees_two_channels():
    config = ststnet.Config(flow="flow", channels=("u", "v"))
    flow = np.arange(3 * 28 * 28, dtype=np.float32).reshape(1, 3, 28, 28)
    seen = ststnet.features({"flow": flow}, None, config)["flow"]
    np.testing.assert_allclose(seen, flow[:, :2] / 2.0)


# --- chance ---------------------------------------------------------------------------------------


def subjects_of_habit(seed: int = 0) -> pd.DataFrame:
    """18 subjects with 8 clips; each shows one expression in seven of eight clips."""
    random = np.random.default_rng(seed)
    return table.clip_table(
        {
            "corpus": "made",
            "subject": f"{subject:03}",
            "clip": str(clip),
            "label": CLASSES[subject % 3] if clip else str(random.choice(CLASSES)),
        }
        for subject in range(18)
        for clip in range(8)
    )


@pytest.mark.parametrize("system", ["svm", "ststnet"])
def test_permuted_labels_land_at_chance_where_true_ones_do_not(system, monkeypatch, tmp_path):
    clips = official_clips().iloc[:120].assign(corpus="made")
    clips["subject"] = [f"{number % 12:03}" for number in range(120)]
    given = made_views(table.clip_table(clips.to_dict("records")), strength=1.0)
    fields = {"epochs": 8, "batch_size": 32} if system == "ststnet" else {}
    true = run(system, given, monkeypatch, tmp_path, **fields)
    dealt = run(system, given, monkeypatch, tmp_path, labels="permuted", **fields)
    low, high = statistics.chance(dealt)
    assert low <= scores.uf1(dealt) <= high
    assert scores.uf1(true) > statistics.chance(true)[1] + 0.2


def test_permuted_labels_land_at_chance_on_the_real_images(real, monkeypatch, tmp_path):
    rows = run("svm", real, monkeypatch, tmp_path, labels="permuted")
    low, high = statistics.chance(rows)
    assert low <= scores.uf1(rows) <= high
    assert high < 0.45


def test_a_shortcut_through_the_person_pays_in_random_folds_alone():
    """Images that show who it is and nothing else: random folds know everybody's habits."""
    clips = subjects_of_habit()
    random = np.random.default_rng(1)
    face = {subject: random.normal(0, 1, (3, 28, 28)) for subject in clips["subject"].unique()}
    noise = random.normal(0, 1, (len(clips), 3, 28, 28))
    shown = np.stack([face[subject] for subject in clips["subject"]]) + noise
    given = views.Views(clips, pd.DataFrame(), {"flow": shown.astype(np.float32)})
    leaked = experiments.try_folds("svm", given, protocol.random_folds(clips))
    honest = experiments.try_folds("svm", given, protocol.folds(clips))
    assert scores.uf1(leaked) > 0.8
    assert scores.uf1(honest) < 0.4
