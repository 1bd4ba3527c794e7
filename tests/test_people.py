"""Nobody who took part in a study is seen in a figure, whoever draws it, wherever it is shown."""

import base64
import io

import matplotlib.pyplot as plt
import moving_face
import nbformat
import numpy as np
import pytest
import seen_faces
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_notebooks import NOTEBOOKS, code

from mer_utils.preprocessing import faces
from mer_utils.reporting import pages, report, widgets
from mer_utils.reporting.plots import faces as face_plots
from mer_utils.reporting.plots import networks, people


@pytest.fixture(autouse=True)
def closed(monkeypatch):
    monkeypatch.setattr(people, "_corpus", {"synthetic": False})
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """The pictures that a notebook or a widget hands on."""
    found = []

    def keep(bundle, raw, metadata):
        found.append(base64.b64decode(bundle["image/png"]))

    monkeypatch.setattr(report, "display", keep)
    return found


def film() -> np.ndarray:
    """(10, 128, 128) uint8: the photograph on the aligned face, ten times."""
    matrix = faces.alignment(moving_face.picture_points())
    return np.repeat(faces.align(moving_face.picture(), matrix)[None], 10, axis=0)


def drawn():
    """Figures of every kind of picture that a frame may end up in."""
    video = film()
    cuts = {"XY": video[5], "XT": video[:, 64], "YT": video[:, :, 64].T}
    yield face_plots.planes(cuts, cuts)
    yield face_plots.pictures(video[:2], np.zeros((2, 0, 2)), ["onset", "apex"])
    yield networks.pictures({"1": video / 255.0}, range(10), "change")
    for draw in ("pcolormesh", "matshow", "figimage"):
        fig, axis = plt.subplots(figsize=(4, 4))
        getattr(fig if draw == "figimage" else axis, draw)(video[0][::-1])
        yield fig


def test_a_photographed_face_is_found_and_a_drawn_one_is_not():
    fig, axis = plt.subplots(figsize=(4, 4))
    axis.imshow(film()[0], cmap="Greys_r")
    for picture, found in ((fig, True), (landmarks(), False)):
        buffer = io.BytesIO()
        picture.savefig(buffer, format="png", dpi=150)
        assert (max(seen_faces.likeness(buffer.getvalue()), default=0) > seen_faces.ALIKE) is found


def landmarks():
    points = faces.move(moving_face.picture_points(), faces.alignment(moving_face.picture_points()))
    return face_plots.clouds(points[None], ["casme2"], 128, "pixels")


def test_a_figure_of_a_person_loses_its_pictures_and_one_of_synthetic_faces_keeps_them(shown):
    for synthetic in (True, False):
        people.announce(synthetic)
        for fig in drawn():
            report.show(fig, alt="a face, or a sentence")
        shown += [bytes(widgets._widget(fig).value) for fig in drawn()]
    half = len(shown) // 2
    of_synthetic, of_people = shown[:half], shown[half:]
    seen = [max(map(abs, seen_faces.likeness(png)), default=0) for png in of_people]
    assert max(seen) < seen_faces.ALIKE
    for n, (one, other) in enumerate(zip(of_synthetic, of_people, strict=True)):
        assert one != other, n
    assert max(seen_faces.likeness(of_synthetic[1])) > seen_faces.ALIKE


def test_flow_on_its_grid_and_matrices_of_many_clips_stay():
    fig, axes = plt.subplots(1, 3)
    axes[0].imshow(np.random.default_rng(0).normal(size=(28, 28)))
    axes[1].imshow(np.zeros((9, 442)))
    fig.colorbar(axes[1].imshow(np.zeros((4, 4))), ax=axes[2])
    before = sum(len(axis.images) + len(axis.collections) for axis in fig.axes)
    people.without_faces(fig)
    assert sum(len(axis.images) + len(axis.collections) for axis in fig.axes) == before
    assert not any(axis.texts for axis in fig.axes)


def test_a_page_leaves_out_a_picture_that_nobody_has_looked_through():
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
    told = {"image/png": {"alt": "a sentence with words"}}
    for metadata, kept in (({}, False), (told, True)):
        output = new_output("display_data", data={"image/png": png}, metadata=metadata)
        notebook = new_notebook(cells=[new_code_cell("plot()", outputs=[output])])
        readable = pages._readable(notebook).cells[0].outputs[0]
        assert ("image/png" in readable.data) is kept


def test_a_notebook_says_whose_clips_it_loads_before_it_draws_any():
    for path in NOTEBOOKS:
        for cell in code(nbformat.read(path, as_version=4)):
            assert "corpora.load(" not in cell.source or "report.header(" in cell.source, path.name
