"""Figures and controls over faces and motion: who may be shown, and what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mer_utils.corpora.table import clip_table, exclusion_table
from mer_utils.preprocessing import views
from mer_utils.reporting import widgets
from mer_utils.reporting.plots import faces, people, style
from mer_utils.systems import SYSTEMS


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def made(corpus: str) -> views.Views:
    """Views of three clips of two subjects, drawn by chance."""
    random = np.random.default_rng(0)
    clips = clip_table(
        {"corpus": corpus, "subject": subject, "clip": clip, "label": label, "frames": "x"}
        | {"onset": 1, "apex": 2, "apex_source": "sheet", "action_units": "12"}
        for subject, clip, label in (
            ("a", "1", "positive"),
            ("a", "2", "negative"),
            ("b", "1", "surprise"),
        )
    )
    arrays = {
        "flow": random.normal(size=(3, 3, 28, 28)).astype(np.float32),
        "landmarks": random.uniform(0, 28, (3, 68, 2)).astype(np.float32),
        "frames": random.integers(0, 256, (3, 2, 128, 128)).astype(np.uint8),
    }
    return views.Views(clips, exclusion_table([]), arrays)


@pytest.mark.parametrize(("synthetic", "figures"), [(True, 2), (False, 1)])
def test_the_browser_shows_synthetic_faces_only(monkeypatch, synthetic, figures):
    monkeypatch.setattr(people, "_corpus", {"synthetic": synthetic})
    assert len(list(widgets._figures(made("casme2"), 0))) == figures


def test_the_browser_follows_its_corpus():
    found = made("synthetic_casme2")
    controls, _ = widgets.clip_browser(found).children
    corpus, clip = controls.children
    assert corpus.options == ("synthetic_casme2",)
    assert [label for label, _ in clip.options] == [
        "a 1 (positive)",
        "a 2 (negative)",
        "b 1 (surprise)",
    ]


def test_maps_share_their_colours_down_the_rows():
    flow = np.zeros((2, 3, 28, 28), np.float32)
    flow[0, 0, 5:9, 5:9], flow[1, 0, 5:9, 5:9] = 1.0, 0.1
    fig = faces.maps(flow, None, ["strong", "faint"])
    limits = {
        axis.images[0].get_clim() for axis in fig.axes if axis.images and axis.get_title() == ""
    }
    first = [axis.images[0].get_clim() for axis in fig.axes if axis.images][0]
    assert first in limits  # the second row's u has the limits of the first row's


def test_magnitudes_of_a_few_pixels_are_not_drawn():
    rows = [("dis", 0.0, 0.2, 0.1, 5000, 1.0), ("dis", 0.0, 2.0, 0.9, 12, 0.5)]
    columns = ["method", "noise", "magnitude", "error", "pixels", "gain"]
    fig = faces.methods(pd.DataFrame(rows, columns=columns))
    assert list(fig.axes[0].lines[0].get_xdata()) == [0.2]


def test_apexes_are_counted_up_to_the_largest_error():
    rows = [("spotted", 0), ("spotted", 1), ("midpoint", 3), ("midpoint", 2)]
    table = pd.DataFrame(rows, columns=["rule", "frames"])
    fig = faces.shares_below(table, "frames", "frames from the true apex", by="rule")
    drawn = {line.get_label(): line.get_xydata().tolist() for line in fig.axes[0].lines}
    spotted, midpoint = [[0, 0], [0, 0.5], [1, 1]], [[2, 0], [2, 0.5], [3, 1]]
    assert drawn == {"spotted": spotted, "midpoint": midpoint}
    assert {line.get_drawstyle() for line in fig.axes[0].lines} == {"steps-post"}


def test_every_system_has_a_colour_of_its_own():
    colours = [style.colour(name) for name in SYSTEMS]
    assert style.UNNAMED not in colours and len(set(colours)) == len(colours)
    assert style.colour("mhssa_gcn/as_coded") == style.colour("mhssa_gcn")


def test_classes_differ_in_grey():
    import matplotlib.colors as colors

    greys = sorted(
        np.dot(colors.to_rgb(c), (0.3, 0.59, 0.11)) for c in style.CLASS_COLOURS.values()
    )
    assert np.diff(greys).min() > 0.15
