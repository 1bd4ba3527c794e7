"""What a notebook shows its reader: where it stands, figures with words, tables, the answer.

Every piece carries a small `study` entry in the metadata of its output, from which the index of
reports is built without running anything again.
"""

from __future__ import annotations

import ast
import base64
import html
import inspect
import io
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from .. import paths
from ..errors import EndOfNotebook, StudyError
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


def stop(message: str) -> NoReturn:
    """Give `message` as the answer and end the notebook without an error: it has nothing to read.

    Where a notebook is run as a whole, its other cells are not run, and its page ends here.
    """
    answer(message)
    raise EndOfNotebook("nothing to show, the other cells are not run")


def source(*objects: object, docstring: bool = True) -> None:
    """Show functions, classes or methods of this study as their files hold them.

    Each stands below its file and first line.  JupyterLab and the page colour it; on the page it is
    open, unlike the code of cells.
    docstring: False leaves the docstring out.
    Raises StudyError for an object that is not defined by a file of this repository.
    """
    blocks = []
    for each in objects:
        target = inspect.unwrap(each.fget if isinstance(each, property) else each)
        try:
            path = Path(inspect.getsourcefile(target)).resolve().relative_to(paths.ROOT)
            lines, first = inspect.getsourcelines(target)
        except (TypeError, OSError, ValueError) as error:
            raise StudyError(
                f"report.source shows functions, classes and methods of this repository, not {each}"
            ) from error
        code = textwrap.dedent("".join(lines)).rstrip()
        if not docstring:
            code = _without_docstring(code)
        blocks.append(f"`{path.as_posix()}`, line {first}\n\n````python\n{code}\n````")
    _display(markdown="\n\n".join(blocks), study={})


def _without_docstring(code: str) -> str:
    definition = ast.parse(code).body[0]
    if ast.get_docstring(definition) is None or len(definition.body) == 1:
        return code
    lines, text = code.splitlines(), definition.body[0]
    del lines[text.lineno - 1 : text.end_lineno]
    return "\n".join(lines)


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
