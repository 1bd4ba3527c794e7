"""benchmarks/gpu.py on a CPU, and the loader of STSTNet's published weights."""

import importlib
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from made_clips import clip_table, made_views
from torch import nn

from mer_utils import corpora, paths
from mer_utils.errors import StudyError
from mer_utils.preprocessing import views
from mer_utils.training import stacked

TINY = ("--rehearse", "--networks", "ststnet", "--precisions", "fp32", "--systems")


@pytest.fixture
def benchmark(monkeypatch):
    """A module of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(paths.ROOT / "benchmarks")
    yield importlib.import_module
    for name in ("gpu", "training", "ststnet_weights"):
        sys.modules.pop(name, None)


def clips_file(file):
    given = made_views(clip_table(6, 5))
    return views.save(given, file, "made", corpora.CLASSES)


# --- gpu ------------------------------------------------------------------------------------------


def test_the_table_compares_every_form_with_the_loop_of_its_network(benchmark):
    gpu = benchmark("gpu")
    cells = [("a", form) for form in gpu.FORMS] + [("b", "vmap")]
    rows = [
        {"device": "card", "preset": "small", "precision": "fp32", "network": name, "form": form}
        | {"ms": 8 / 2**number, "loss": 1 + number / 10, "share": 0.1}
        for number, (name, form) in enumerate(cells)
    ]
    table = gpu.compared(rows).set_index(["network", "form"])
    assert list(table.loc["a", "ratio"]) == [1, 2, 4]
    np.testing.assert_allclose(table.loc["a", "gap"], [0, 0.1, 0.2])
    assert np.isnan(table.loc[("b", "vmap"), "ratio"]), "it has no loop to compare with"
    text = gpu.tables(gpu.compared(rows))
    assert "4.000" in text and "0.100" in text and "NaN" in text


def test_the_kept_rows_give_what_the_log_says(benchmark):
    gpu = benchmark("gpu")
    table = pd.read_csv(paths.ROOT / "benchmarks" / "gpu.csv")
    assert list(table) == [*gpu.CELL, *gpu.NUMBERS]
    table["again"] = gpu.compared(table.to_dict("records"))["ratio"]
    np.testing.assert_allclose(table["again"], table["ratio"], rtol=1e-3)
    wide = table.pivot(index=["precision", "network"], columns="form", values=["ms", "ratio"])
    loops, gains = wide["ms", "loop"], wide["ratio", "vmap"]
    assert (loops.min().round(), loops.max().round()) == (17, 981)
    graphs = gains.rdiv(wide["ratio", "graph"])
    hyper = "fp32", "hyperhtnet"
    assert (gains[hyper].round(), graphs[hyper].round(1)) == (6, 8.6)
    gains, graphs = gains.drop(hyper), graphs.drop(hyper)
    assert (gains.min().round(), gains.max().round()) == (20, 62)
    assert (graphs.min().round(1), graphs.max().round(1)) == (1.1, 4.3)
    assert not (wide["ms", "unfold"] <= wide["ms", "vmap"]).any()
    assert table["share"].max() < 0.048
    by = table.groupby(["precision", "form"])["share"].max()
    assert by.drop("fp32").max() < 0.02 and by.drop("fp32")[:, "loop"].max() < 0.0002
    gaps = table.groupby("precision")["gap"].max()
    assert gaps.lt(pd.Series({"fp32": 2.4e-7, "tf32": 0.00125, "bf16": 0.00735})).all()


def test_what_hangs_dies_or_fails_is_ended_and_told(benchmark, tmp_path):
    gpu = benchmark("gpu")
    with (tmp_path / "log.txt").open("ab") as log:

        def call(source, seconds=60.0, silence=60.0):
            return gpu.call([sys.executable, "-c", source], time.time() + seconds, silence, log)

        assert call("print('fine')") == ""
        assert call("import time; time.sleep(99)", silence=1) == "nothing was heard for 1 s"
        assert call("import time; time.sleep(99)", seconds=1) == "the time was over"
        assert call("raise ValueError('no')") == "ValueError: no"
        assert call("import os; os.abort()") == "its process died of signal 6"


def test_a_replayed_stack_gives_its_graphs_what_a_step_needs(benchmark, monkeypatch):
    """On a CPU the graph is stood in for by the function itself, on its own arguments."""
    gpu, made = benchmark("gpu"), []

    def recorded(function, given):
        made.append([values.clone() for values in given])

        def replay(*given):
            for mine, values in zip(made[-1], given, strict=True):
                mine.copy_(values)
            return function(*made[-1])

        return replay

    monkeypatch.setattr(gpu, "recorded", recorded)
    module, config, arrays = gpu.inputs("rcn", "small")
    run = gpu.training.Task(module, config, arrays, gpu.VIEWS.clips, gpu.LABELS, n_classes=3)
    data = gpu.on_device(run, run.features)
    plain, replayed = (kind(run, gpu.FOLDS[:2], data) for kind in (stacked.Stack, gpu.Replayed))
    for stack in (plain, replayed):
        stack.steps = stack.steps[:4]
    for epoch in (1, 2):
        torch.testing.assert_close(replayed.epoch(epoch), plain.epoch(epoch))
    assert len(made) == 1, "steps of one size share a graph"


@pytest.mark.slow
def test_a_rehearsal_and_a_second_call(benchmark, tmp_path, capsys):
    gpu, out = benchmark("gpu"), tmp_path / "out"
    words = [str(clips_file(tmp_path / "clips.npz")), str(out), *TINY, "ststnet,nonsense"]
    gpu.main(words)
    assert {file.name for file in out.iterdir()} == {
        *("times.csv", "runs.csv", "runs.zip", "tables.txt", "log.txt")
    }
    timed = pd.read_csv(out / "times.csv").set_index("form")
    assert list(timed.index) == gpu.FORMS
    assert (timed[["ms", "ratio", "share"]][:2] > 0).all(axis=None)
    assert (timed["gap"][:2] < 1e-3).all(), "every form learns what the loop learns"
    assert timed["note"]["graph"] == "StudyError: a CUDA graph is a GPU's"
    runs = pd.read_csv(out / "runs.csv").set_index("system")
    assert runs.loc["ststnet", "folds"] == runs.loc["ststnet", "of"] == 4
    assert 0 <= runs.loc["ststnet", "UF1"] <= 1
    assert "'nonsense' is not known" in runs.loc["nonsense", "note"]

    packed = (out / "runs.zip").read_bytes()
    gpu.main(words)
    again = pd.read_csv(out / "times.csv").set_index("form")
    pd.testing.assert_frame_equal(again, timed, rtol=1e-4, atol=1e-6)
    assert (out / "runs.zip").read_bytes() == packed, "no run is trained again"


# --- STSTNet's published weights ------------------------------------------------------------------


class Published(nn.Module):
    """The authors' layout: three streams, concatenated before the last layer."""

    def __init__(self):
        super().__init__()
        for number, width in enumerate((3, 5, 8), start=1):
            setattr(self, f"conv{number}", nn.Conv2d(3, width, 3, padding=2))
            norm = nn.BatchNorm2d(width)
            for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(values, 0.5, 2)
            setattr(self, f"bn{number}", norm)
        self.fc = nn.Linear(400, 3)

    def forward(self, x):
        streams = [self.get_submodule(f"conv{n}")(x).relu() for n in (1, 2, 3)]
        normed = [self.get_submodule(f"bn{n}")(y) for n, y in enumerate(streams, start=1)]
        pooled = [nn.functional.max_pool2d(y, 3, 3, 1) for y in normed]
        return self.fc(nn.functional.avg_pool2d(torch.cat(pooled, 1), 2).flatten(1))


def test_published_weights_of_ststnet_predict_as_where_they_are_from(benchmark, tmp_path):
    weights, given = benchmark("ststnet_weights"), made_views(clip_table(6, 5))
    given.arrays["flow_legacy"] = np.round(255 * np.random.default_rng(0).random((30, 3, 28, 28)))
    given.arrays["flow_legacy"] = given.arrays["flow_legacy"].astype(np.float32)
    strain_first = torch.as_tensor(given.arrays["flow_legacy"][:, ::-1].copy())
    torch.manual_seed(0)
    expected = pd.Series("", given.clips.index)
    for subject, clips in given.clips.groupby("subject"):
        net = Published().eval()
        torch.save(net.state_dict(), tmp_path / f"{subject}.pth")
        numbers = net(strain_first[clips.index]).argmax(1)
        expected[clips.index] = [corpora.CLASSES[number] for number in numbers]
    found = weights.predictions(tmp_path, given)["predicted"]
    assert found.nunique() > 1 and (found == expected).all()

    torch.save({"fc.weight": torch.zeros(3, 400)}, tmp_path / "001.pth")
    with pytest.raises(StudyError, match=r"001\.pth does not hold STSTNet's weights"):
        weights.predictions(tmp_path, given)
    (tmp_path / "001.pth").unlink()
    with pytest.raises(StudyError, match=r"001\.pth is missing"):
        weights.predictions(tmp_path, given)
