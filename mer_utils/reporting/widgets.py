"""Controls for looking inside, shown after the static figures; they need a running kernel.

A report made from the notebook keeps the figures above a widget and not the widget itself.
"""

import html
import io

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import experiments
from ..analysis import leaks
from ..analysis.failures import said
from ..corpora import KEY, Corpus
from ..corpora import summary as corpus_summary
from ..evaluation import protocol, scores
from ..preprocessing import faces, motion, regions
from ..preprocessing.views import Views
from .plots import comparison as comparison_plots
from .plots import corpora as corpus_plots
from .plots import faces as face_plots
from .plots import failures as failure_plots
from .plots import motion as motion_plots
from .plots import regions as region_plots
from .plots import results as result_plots

DPI = 80  # of a figure on a page; its picture has twice as many, for sharp screens


def annotation_browser(corpus: Corpus) -> ipywidgets.Widget:
    """Choose a subject; see onset, apex and offset of its clips, and what is noted on each.

    Only the table is shown: no frame is opened, and nobody's face is seen.
    """
    clips = corpus.clips
    people = clips[["corpus", "subject"]].drop_duplicates().itertuples(index=False, name=None)
    options = [(" ".join(person), person) for person in people]
    choice = ipywidgets.Dropdown(options=options, description="subject")
    place = ipywidgets.VBox()

    def draw(*_):
        if choice.value is None:
            return
        part = corpus_summary.of_subject(corpus, *choice.value)
        table = part[["clip", "label", "emotion", "action_units", "apex_source", "note"]]
        drawn = part["onset"].notna().any()
        _show(place, *([corpus_plots.annotations(part, corpus.classes)] if drawn else []), table)

    choice.observe(draw, "value")
    draw()
    return ipywidgets.VBox([choice, place])


def clip_browser(found: Views, show_faces: bool = False) -> ipywidgets.Widget:
    """Choose a corpus and a clip; see its flow, strain and landmarks on blank ground.

    found: views with `flow` or `flow_legacy`, and `landmarks` where the corpus has them.
    show_faces: the aligned onset and apex too (view `frames`). Only for synthetic corpora, whose
    rows all begin with "synthetic": any other row is shown without its face.
    """
    clips = found.clips
    corpus = ipywidgets.Dropdown(options=list(dict.fromkeys(clips["corpus"])), description="corpus")
    clip = ipywidgets.Dropdown(description="clip", layout=ipywidgets.Layout(width="22em"))
    place = ipywidgets.VBox()

    def choose(*_):
        rows = clips[clips["corpus"] == corpus.value]
        options = [
            (f"{row.subject} {row.clip} ({row.label})", row.Index)
            for row in rows[[*KEY, "label"]].itertuples()
        ]
        _offer(clip, options)

    def draw(*_):
        if clip.value is None:
            return
        _show(place, *_figures(found, clip.value, show_faces), _told(clips.loc[clip.value]))

    corpus.observe(choose, "value")
    clip.observe(draw, "value")
    choose()
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([corpus, clip]), place])


def _figures(found: Views, i: int, show_faces: bool):
    row = found.clips.loc[i]
    points = found.arrays.get("landmarks")
    if "flow" in found.arrays:
        face = None if points is None else points[i : i + 1]
        yield motion_plots.maps(found.arrays["flow"][i : i + 1], face, [row["label"]])
    else:
        yield motion_plots.grey_maps(found.arrays["flow_legacy"][i : i + 1], [row["label"]])
    if show_faces and "frames" in found.arrays and row["corpus"].startswith("synthetic"):
        marks = np.empty((2, 0, 2))
        if points is not None:
            marks = np.repeat(points[i : i + 1] * (faces.SIZE / motion.GRID), 2, axis=0)
        yield face_plots.pictures(found.arrays["frames"][i], marks, ["onset", "apex"])


def _offer(dropdown: ipywidgets.Dropdown, options: list) -> None:
    """New options, the first of them chosen: a drop-down that began empty stays at none."""
    dropdown.options = options
    dropdown.value = options[0][1]


def _told(row) -> str:
    parts = [f"{row['corpus']} {row['subject']} {row['clip']}: {row['emotion'] or row['label']}"]
    if row["action_units"]:
        parts.append(f"action units {row['action_units']}")
    if row["apex_source"]:
        parts.append(f"frames {row['onset']} to {row['apex']}, apex from {row['apex_source']}")
    return "; ".join(parts)


def failures(rows: pd.DataFrame, found: Views) -> ipywidgets.Widget:
    """Choose a system and a cell of its confusion; see its clips, their flow, what others say.

    rows: of several systems on clips of `found`, which holds `flow` or `flow_legacy`; a clip
    without rows is not offered.
    """
    system = ipywidgets.Dropdown(options=list(dict.fromkeys(rows["system"])), description="system")
    names = scores.classes_of(rows)
    label = ipywidgets.Dropdown(options=names, description="label")
    called = ipywidgets.Dropdown(options=names, value=names[1], description="called")
    clip = ipywidgets.Dropdown(description="clip", layout=ipywidgets.Layout(width="28em"))
    place = ipywidgets.VBox()
    clips = found.clips.reset_index(drop=True)
    words = said(rows, clips)  # of the clips that have rows, at their places in `found`
    clips = clips.loc[words.index]

    def choose(*_):
        mine = (clips["label"] == label.value) & (words[system.value] == called.value)
        options = [(f"{row.corpus} {row.subject} {row.clip}", row.Index)
                   for row in clips[mine].itertuples()]  # fmt: skip
        _offer(clip, options or [("no clip", -1)])

    def draw(*_):
        if clip.value < 0:
            _show(place)
            return
        row = clips.loc[clip.value]
        fig = failure_plots.looks(found.arrays, np.array([clip.value]), [row["label"]])
        others = "; ".join(f"{name}: {words.loc[clip.value, name]}" for name in system.options)
        _show(place, fig, _told(row), others)

    for each in (system, label, called):
        each.observe(choose, "value")
    clip.observe(draw, "value")
    choose()
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([system, label, called]), clip, place])


def ablations(answered: pd.DataFrame) -> ipywidgets.Widget:
    """Choose an ingredient or a system; see its questions, their worth and their answers.

    answered: of `ablations.answers`.
    """
    systems = answered["ablation"].str.partition("/")[0]
    options = [("everything", ("", ""))]  # None would be no choice, and shown as none
    options += [(f"system {name}", ("system", name)) for name in systems.unique()]
    options += [(f"ingredient {n}", ("ingredient", n)) for n in answered["ingredient"].unique()]
    choice = ipywidgets.Dropdown(options=options, description="show")
    place = ipywidgets.VBox()

    def draw(*_):
        part, (kind, name) = answered, choice.value
        if kind:
            part = answered[(systems if kind == "system" else answered["ingredient"]) == name]
        lines = [
            f"{line.ablation}: {line.question} {line.answer} ({line.worth:+.3f})"
            for line in part.itertuples()
        ]
        _show(place, comparison_plots.worth(part, "UF1"), *lines)

    choice.observe(draw, "value")
    draw()
    return ipywidgets.VBox([choice, place])


def region_graphs(clips: pd.DataFrame, landmarks: np.ndarray) -> ipywidgets.Widget:
    """Choose who is left out; see the graph of everybody else, and how it departs from the mean.

    clips: of `Views.clips`; landmarks (68, 2) of the face it is drawn on, in cells of the grid.
    """
    folds = protocol.folds(clips, tuple(dict.fromkeys(clips["label"])))
    stack = np.array([regions.co_occurrence(clips.iloc[fold.train]) for fold in folds])
    away = np.abs(stack - stack.mean(axis=0)).reshape(len(folds), -1).max(axis=1)
    options = [(f"{fold.corpus} {fold.subject}", number) for number, fold in enumerate(folds)]
    choice = ipywidgets.Dropdown(options=options, description="left out")
    place = ipywidgets.VBox()

    def draw(*_):
        fold, rank = folds[choice.value], int((away > away[choice.value]).sum()) + 1
        told = (
            f"Without the {len(fold.test)} clips of {fold.corpus} {fold.subject} an entry "
            f"moves by up to {away[choice.value]:.3f}: number {rank} of {len(folds)} folds."
        )
        _show(place, region_plots.departure(landmarks, stack, choice.value), told)

    choice.observe(draw, "value")
    draw()
    return ipywidgets.VBox([choice, place])


def curves(runs: pd.DataFrame) -> ipywidgets.Widget:
    """Choose a run; see its score on the left-out subjects after every epoch, and its losses.

    runs: as `experiments.find` lists them.
    """
    names = [(f"{run.system} ({run.selection}), seed {run.seed}", run.key)
             for run in runs.itertuples()]  # fmt: skip
    choice = ipywidgets.Dropdown(
        options=names, description="run", layout=ipywidgets.Layout(width="28em")
    )
    place = ipywidgets.VBox()

    def draw(*_):
        every = experiments.epochs(choice.value)
        if not len(every):
            _show(place, "This system is fitted in one go: it has no epochs.")
            return
        final = experiments.load(choice.value)
        honest, classes = scores.uf1(final), scores.classes_of(final)
        by_epoch = [(epoch, scores.uf1(rows, classes)) for epoch, rows in every.groupby("epoch")]
        by_epoch = pd.DataFrame(by_epoch, columns=["epoch", "UF1"])
        picked = scores.uf1(leaks.oracle([choice.value]))
        figure = result_plots.epochs_on_test(by_epoch, honest, picked)
        _show(place, figure, result_plots.learning(experiments.curves(choice.value)))

    choice.observe(draw, "value")
    draw()
    return ipywidgets.VBox([choice, place])


def _show(place: ipywidgets.VBox, *shown: Figure | pd.DataFrame | str) -> None:
    """Figures, tables and sentences take the place of what stood there.

    As pictures and text and not through ipywidgets.Output: that one makes papermill write to the
    kernel while it waits for the end of the cell, and now and then it waits for ever (nbclient
    issue 312).
    """
    before = place.children
    place.children = [_widget(each) for each in shown]
    for each in before:
        each.close()


def _widget(shown: Figure | pd.DataFrame | str) -> ipywidgets.Widget:
    if isinstance(shown, pd.DataFrame):
        return ipywidgets.HTML(shown.to_html(index=False))
    if isinstance(shown, str):
        return ipywidgets.HTML(html.escape(shown))
    buffer = io.BytesIO()
    shown.savefig(buffer, format="png", dpi=2 * DPI, bbox_inches="tight")
    plt.close(shown)
    width = ipywidgets.Layout(width=f"{shown.get_figwidth() * DPI:.0f}px", max_width="100%")
    return ipywidgets.Image(value=buffer.getvalue(), format="png", layout=width)
