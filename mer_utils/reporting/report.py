"""What a notebook shows its reader: where it stands, figures with words, tables, the answer.

Every piece carries a small `study` entry in the metadata of its output, from which the index of
reports is built without running anything again.
"""

from __future__ import annotations

import base64
import html
import io
import re
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from ..errors import StudyError
from . import exports

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..corpora import Corpus

FIGURE_DPI = 150  # pixels per inch in the file: sharp on a phone, about 50 KB a figure
SCREEN_DPI = 100  # pixels per inch at which the figure is laid out on the page
SYNTHETIC = (
    "Synthetic faces, made by this study from one photograph. "
    "Nothing here is evidence about how well a system reads people."
)


def header(corpus: Corpus) -> None:
    """Say on which corpus this report stands, first of all when nobody in it is real."""
    clips, subjects = len(corpus.clips), len(_subjects(corpus.clips))
    parts = [
        f"`{name}` {len(part)} clips of {len(_subjects(part))} subjects"
        for name, part in corpus.clips.groupby("corpus", sort=False)
    ]
    counts = f"Corpus `{corpus.name}`: {clips} clips of {subjects} subjects"
    if len(parts) > 1:
        counts += " (" + ", ".join(parts) + ")"
    if len(corpus.exclusions):
        counts += f"; {len(corpus.exclusions)} left out, each with its reason"
    banner = f"> **{SYNTHETIC}**\n\n" if corpus.synthetic else ""
    entry = {"synthetic": bool(corpus.synthetic), "counts": counts}
    _display(markdown=f"{banner}{counts}.", study={"header": entry})


def show(fig: Figure, alt: str, *, name: str = "") -> None:
    """Show a figure as PNG, with `alt`: one sentence that says what it shows to who cannot see it.

    name: the driver also keeps it as reports/figures/<corpus>_<name>.svg and .pdf.
    The figure is closed afterwards, so that the kernel does not show it a second time.
    """
    if len(alt.split()) < 3:
        raise StudyError(f"report.show needs alt text that says what the figure shows, got {alt!r}")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=FIGURE_DPI, bbox_inches="tight", facecolor="white")
    kept = {"study": {"kept": exports.figure(fig, name)}} if name else {}
    plt.close(fig)
    png = buffer.getvalue()
    pixels = int.from_bytes(png[16:20], "big")  # the width in a PNG's first chunk
    display(
        {"image/png": base64.b64encode(png).decode(), "text/plain": alt},
        raw=True,
        metadata={
            "image/png": {"alt": alt, "width": round(pixels * SCREEN_DPI / FIGURE_DPI)},
            **kept,
        },
    )


def table(
    frame: pd.DataFrame,
    caption: str = "",
    *,
    digits: int = 3,
    index: bool = False,
    name: str = "",
) -> None:
    """Show a data frame as a captioned table; floats to `digits`, missing values as a dash.

    name: the driver also keeps it as reports/tables/<corpus>_<name>.csv and .tex.
    """
    shown = frame.map(lambda value: _cell(value, digits))
    body = shown.to_html(index=index, border=0, escape=True, classes="study-table")
    if caption:
        body = re.sub(
            r"(<table[^>]*>)",
            lambda found: f"{found[1]}\n  <caption>{html.escape(caption)}</caption>",
            body,
            count=1,
        )
    text = f"{caption}\n{shown.to_string(index=index)}".strip()
    kept = {"kept": exports.table(frame, name, caption, digits, index)} if name else {}
    display({"text/html": body, "text/plain": text}, raw=True, metadata={"study": kept})


def say(text: str) -> None:
    """A sentence made from numbers, set like the text around it (Markdown)."""
    _display(markdown=" ".join(text.split()), study={})


def answer(text: str) -> None:
    """Close a notebook: the answer to its title, in one sentence with the number (Markdown)."""
    if not text.strip():
        raise StudyError("report.answer needs the sentence that answers the notebook's title")
    text = " ".join(text.split())
    _display(markdown=f"**Answer.** {text}", study={"answer": text})


def _cell(value: object, digits: int) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _display(markdown: str, study: dict) -> None:
    bundle = {"text/markdown": markdown, "text/plain": markdown}
    display(bundle, raw=True, metadata={"study": study})


def _subjects(clips: pd.DataFrame) -> pd.DataFrame:
    """Persons are told apart by corpus and subject: ids repeat across corpora."""
    return clips[["corpus", "subject"]].drop_duplicates()
