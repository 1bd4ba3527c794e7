"""Controls for a look inside, shown after the static figures; they need a running kernel.

A report made from the notebook keeps the figures above a widget and not the widget itself.
"""

import html
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import experiments
from ..analysis import leaks
from ..analysis.failures import predictions
from ..corpora import KEY, Corpus, summary
from ..evaluation import protocol, scores
from ..prediction.models import Models
from ..prediction.predict import Reading, predict
from ..preprocessing.faces import SIZE
from ..preprocessing.regions import co_occurrence
from ..preprocessing.views import Views
from ..systems import title
from .plots import comparison, corpora, faces, people, regions, results, style

Shown = Figure | pd.DataFrame | str
DPI = 80  # of a figure on a page; its picture has twice as many, for sharp screens


def annotation_browser(corpus: Corpus) -> ipywidgets.Widget:
    """Choose a subject; see what the sheet says of its clips. No frame is opened."""
    persons = corpus.clips[["corpus", "subject"]].drop_duplicates().itertuples(index=False)
    subject = _dropdown("subject", [(" ".join(person), tuple(person)) for person in persons])

    def draw() -> Iterator[Shown]:
        if subject.value is None:
            return
        part = summary.of_subject(corpus, *subject.value)
        if part["onset"].notna().any():
            yield corpora.annotations(part, corpus.classes)
        yield part[["clip", "label", "emotion", "action_units", "apex_source", "note"]]

    return _drawn(draw, subject)


def clip_browser(views: Views) -> ipywidgets.Widget:
    """Choose a corpus and a clip; see its flow, strain and landmarks on blank ground.

    views: with `flow` or `flow_legacy`, and `landmarks` where the corpus has them. Of synthetic
    clips the aligned onset and apex are shown too (view `frames`).
    """
    clips = views.clips
    corpus = _dropdown("corpus", list(dict.fromkeys(clips["corpus"])))
    clip = _dropdown("clip", [], "22em")

    def clips_of_corpus() -> list[tuple[str, int]]:
        rows = clips[clips["corpus"] == corpus.value].itertuples()
        return [(f"{row.subject} {row.clip} ({row.label})", row.Index) for row in rows]

    def draw() -> Iterator[Shown]:
        if clip.value is not None:
            yield from _figures(views, clip.value)
            yield _annotation(clips.loc[clip.value])

    _dependent(clip, clips_of_corpus, corpus)
    return _drawn(draw, corpus, clip)


def _figures(views: Views, i: int) -> Iterator[Figure]:
    """The flow of a clip, and of synthetic clips alone the frames."""
    points = views.arrays["landmarks"][[i]] if "landmarks" in views.arrays else None
    yield faces.motion(views.arrays, np.array([i]), [views.clips.loc[i, "label"]], points)
    if "frames" in views.arrays and people.may_be_shown():
        marks = np.empty((1, 0, 2)) if points is None else points * (SIZE / faces.GRID)
        marks = np.repeat(marks, 2, axis=0)
        yield faces.pictures(views.arrays["frames"][i], marks, ["onset", "apex"])


def _annotation(row: pd.Series) -> str:
    parts = [f"{row['corpus']} {row['subject']} {row['clip']}: {row['emotion'] or row['label']}"]
    if row["action_units"]:
        parts.append(f"action units {row['action_units']}")
    if row["apex_source"]:
        parts.append(f"frames {row['onset']} to {row['apex']}, apex from {row['apex_source']}")
    return "; ".join(parts)


def failures(rows: pd.DataFrame, views: Views) -> ipywidgets.Widget:
    """Choose a system and a cell of its confusion; see its clips, their flow, all predictions."""
    names = scores.classes_of(rows)
    systems = list(dict.fromkeys(rows["system"]))
    system = _dropdown("system", [(title(name), name) for name in systems])
    label, predicted = _dropdown("label", names), _dropdown("predicted", names)
    predicted.value = names[1]
    clip = _dropdown("clip", [], "28em")
    votes = predictions(rows, views.clips.reset_index(drop=True))  # of the clips that have rows
    clips = views.clips.iloc[votes.index].set_index(votes.index)

    def clips_of_cell() -> list[tuple[str, int]]:
        cell = (clips["label"] == label.value) & (votes[system.value] == predicted.value)
        options = [(" ".join(row[1:]), row[0]) for row in clips[cell][list(KEY)].itertuples()]
        return options or [("no clip", -1)]

    def draw() -> Iterator[Shown]:
        if clip.value >= 0:
            row = clips.loc[clip.value]
            yield faces.motion(views.arrays, np.array([clip.value]), [row["label"]])
            yield _annotation(row)
            yield "; ".join(f"{title(name)}: {votes.loc[clip.value, name]}" for name in systems)

    _dependent(clip, clips_of_cell, system, label, predicted)
    return _drawn(draw, system, label, predicted, clip)


def ablations(answered: pd.DataFrame) -> ipywidgets.Widget:
    """Choose an ingredient or a system of `ablations.answers`; see questions and effects."""
    systems = answered["ablation"].str.partition("/")[0]
    kinds = {"system": systems, "ingredient": answered["ingredient"]}
    options = [("everything", ("", ""))]  # None would be no choice, and shown as none
    for kind, names in kinds.items():
        options += [(f"{kind} {title(name)}", (kind, name)) for name in names.unique()]
    choice = _dropdown("show", options)

    def draw() -> Iterator[Shown]:
        kind, name = choice.value
        part = answered[kinds[kind] == name] if kind else answered
        yield comparison.effects(part)
        for line in part.itertuples():
            yield f"{title(line.ablation)}: {line.question} {line.answer} ({line.effect:+.3f})"

    return _drawn(draw, choice)


def region_graphs(clips: pd.DataFrame, landmarks: np.ndarray) -> ipywidgets.Widget:
    """Choose the left-out subject; see the graph of all others, on a face (68, 2) in cells."""
    folds = protocol.folds(clips, tuple(dict.fromkeys(clips["label"])))
    stack = np.array([co_occurrence(clips.iloc[fold.train]) for fold in folds])
    away = np.abs(stack - stack.mean(axis=0)).reshape(len(folds), -1).max(axis=1)
    options = [(f"{fold.corpus} {fold.subject}", number) for number, fold in enumerate(folds)]
    choice = _dropdown("left out", options)

    def draw() -> Iterator[Shown]:
        fold, rank = folds[choice.value], int((away > away[choice.value]).sum()) + 1
        yield regions.departure(landmarks, stack, choice.value)
        yield (
            f"Without the {len(fold.test)} clips of {fold.corpus} {fold.subject} an entry "
            f"moves by up to {away[choice.value]:.3f}: number {rank} of {len(folds)} folds."
        )

    return _drawn(draw, choice)


def curves(runs: pd.DataFrame) -> ipywidgets.Widget:
    """Choose one of `experiments.find`'s runs; see its score after every epoch, and its losses."""
    names = runs["system"].map(title) + " (" + runs["selection"] + "), seed "
    names += runs["seed"].astype(str)
    choice = _dropdown("run", list(zip(names, runs["key"], strict=True)), "28em")

    def draw() -> Iterator[Shown]:
        epochs = experiments.epochs(choice.value)
        if not len(epochs):
            yield "This system is fitted in one go: it has no epochs."
            return
        final, oracle = experiments.load(choice.value), leaks.oracle([choice.value])
        classes = scores.classes_of(final)
        points = [(epoch, scores.uf1(rows, classes)) for epoch, rows in epochs.groupby("epoch")]
        by_epoch = pd.DataFrame(points, columns=["epoch", "UF1"])
        yield results.epochs_on_test(by_epoch, scores.uf1(final), scores.uf1(oracle))
        yield results.learning(experiments.curves(choice.value))

    return _drawn(draw, choice)


def _dropdown(description: str, options: list, width: str = "20em") -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(options=options, description=description, layout={"width": width})


def upload(models: Models) -> ipywidgets.Widget:
    """Choose a film of one's own, of which no copy stays; see its movements and their readings."""
    button, place = ipywidgets.FileUpload(accept="video/*", multiple=False), ipywidgets.VBox()

    def read(change: dict) -> None:
        for sent in change["new"]:
            _show(place, "The film is searched ...")
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, Path(sent["name"]).name)
                file.write_bytes(sent["content"])
                _show(place, *_said(predict([file], models, progress=False), models))

    button.observe(read, "value")
    return ipywidgets.VBox([button, place])


def _said(reading: Reading, models: Models) -> Iterator[Shown]:
    yield from reading.refused.values()
    for film in reading.films.values():
        yield faces.course(film)
        yield " ".join(film.quality)
    table = reading.table
    read = table.dropna(subset=f"p_{models.classes[0]}").reset_index(drop=True)
    if len(read):
        names = "frame " + read["apex"].astype(int).astype(str)
        yield faces.probabilities(read.assign(name=names), models.classes)
    yield table[["film", "onset", "apex", "offset", "predicted", "warning"]]


def _dependent(child: ipywidgets.Dropdown, options: Callable[[], list], *parents) -> None:
    """Give `child` new options whenever a parent changes, and choose the first of them."""

    def offer(*_):
        child.options = options()
        child.value = child.options[0][1]  # a drop-down that began empty stays at none

    for parent in parents:
        parent.observe(offer, "value")
    offer()


def _drawn(draw: Callable[[], Iterable[Shown]], *row: ipywidgets.Dropdown) -> ipywidgets.Widget:
    """The drop-downs of `row` above what `draw` gives whenever the last of them changes."""
    place = ipywidgets.VBox()

    def redraw(*_):
        _show(place, *draw())

    row[-1].observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}), place])


def _show(place: ipywidgets.VBox, *parts: Shown) -> None:
    """Replace what was in this place; with ipywidgets.Output papermill may hang (nbclient 312)."""
    before, place.children = place.children, [_widget(part) for part in parts]
    for widget in before:
        widget.close()


def _widget(part: Shown) -> ipywidgets.Widget:
    if isinstance(part, pd.DataFrame):
        return ipywidgets.HTML(part.to_html(index=False))
    if isinstance(part, str):
        return ipywidgets.HTML(html.escape(part))
    buffer = io.BytesIO()
    style.noted(part)
    people.without_faces(part).savefig(buffer, format="png", dpi=2 * DPI, bbox_inches="tight")
    plt.close(part)
    layout = {"width": f"{part.get_figwidth() * DPI:.0f}px", "max_width": "100%"}
    return ipywidgets.Image(value=buffer.getvalue(), format="png", layout=layout)
