"""Controls for looking inside, shown after the static figures; they need a running kernel.

A report made from the notebook keeps the figures above a widget and not the widget itself.
"""

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from . import faces, motion
from .corpora import KEY, Corpus
from .corpora import summary as corpus_summary
from .plots import corpora as corpus_plots
from .plots import faces as face_plots
from .plots import motion as motion_plots
from .views import Views


def annotation_browser(corpus: Corpus) -> ipywidgets.Widget:
    """Choose a subject; see onset, apex and offset of its clips, and what is noted on each.

    Only the table is shown: no frame is opened, and nobody's face is seen.
    """
    clips = corpus.clips
    people = clips[["corpus", "subject"]].drop_duplicates().itertuples(index=False, name=None)
    options = [(" ".join(person), person) for person in people]
    choice = ipywidgets.Dropdown(options=options, description="subject")
    output = ipywidgets.Output()

    def draw(*_):
        if choice.value is None:
            return
        part = corpus_summary.of_subject(corpus, *choice.value)
        with output:
            output.clear_output(wait=True)
            if part["onset"].notna().any():
                fig = corpus_plots.annotations(part, corpus.classes)
                display(fig)
                plt.close(fig)
            display(part[["clip", "label", "emotion", "action_units", "apex_source", "note"]])

    choice.observe(draw, "value")
    draw()
    return ipywidgets.VBox([choice, output])


def clip_browser(found: Views, show_faces: bool = False) -> ipywidgets.Widget:
    """Choose a corpus and a clip; see its flow, strain and landmarks on blank ground.

    found: views with `flow` or `flow_legacy`, and `landmarks` where the corpus has them.
    show_faces: the aligned onset and apex too (view `frames`). Only for synthetic corpora, whose
    rows all begin with "synthetic": any other row is shown without its face.
    """
    clips = found.clips
    corpus = ipywidgets.Dropdown(options=list(dict.fromkeys(clips["corpus"])), description="corpus")
    clip = ipywidgets.Dropdown(description="clip", layout=ipywidgets.Layout(width="22em"))
    output = ipywidgets.Output()

    def choose(*_):
        rows = clips[clips["corpus"] == corpus.value]
        clip.options = [
            (f"{row.subject} {row.clip} ({row.label})", row.Index)
            for row in rows[[*KEY, "label"]].itertuples()
        ]

    def draw(*_):
        if clip.value is None:
            return
        with output:
            output.clear_output(wait=True)
            for fig in _figures(found, clip.value, show_faces):
                display(fig)
                plt.close(fig)
            _tell(clips.loc[clip.value])

    corpus.observe(choose, "value")
    clip.observe(draw, "value")
    choose()
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([corpus, clip]), output])


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


def _tell(row) -> None:
    parts = [f"{row['corpus']} {row['subject']} {row['clip']}: {row['emotion'] or row['label']}"]
    if row["action_units"]:
        parts.append(f"action units {row['action_units']}")
    if row["apex_source"]:
        parts.append(f"frames {row['onset']} to {row['apex']}, apex from {row['apex_source']}")
    print("; ".join(parts))
