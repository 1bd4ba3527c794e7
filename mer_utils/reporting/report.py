"""What a notebook takes and shows: its parameters, corpus, code, figures, tables, the answer.

Every piece carries a small `study` entry in the metadata of its output, from which the front page
is built without running anything again.
"""

import ast
import base64
import html
import inspect
import io
import re
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.text import Text
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .. import corpora, paths
from ..errors import EndOfNotebook, StudyError
from . import exports
from .plots import people, style

FIGURE_DPI = 150  # pixels per inch in the file: sharp on a phone, about 50 KB a figure
SCREEN_DPI = 100  # pixels per inch at which the page lays the figure out
SYNTHETIC = (
    "Synthetic faces, made by this study from one photograph. "
    "Nothing here is evidence about how well a system reads people."
)


def _code_style(style: str, selector: str) -> str:
    formatter = HtmlFormatter(style=style)
    rules = formatter.get_background_style_defs(selector) + formatter.get_token_style_defs(selector)
    return "\n".join(rules)


CODE_STYLE = f"""<style>
{_code_style("friendly", ".source")}
{_code_style("github-dark", 'body[data-jp-theme-light="false"] .source')}
.source {{ color: #1d232b; padding: 0.5em 0.8em; }}
div.source pre {{ color: inherit; white-space: pre; overflow-x: auto; font-size: 13px; }}
</style>"""  # of code in JupyterLab, by its theme; a page has its own style
TEXTS = "corpus data system preset labels selection inputs leak device precision dask systems curve"
KINDS = {  # name of a parameter -> its types, what to give
    **dict.fromkeys([*TEXTS.split(), "model", "table"], ((str,), "a text")),
    **dict.fromkeys(["smoke", "keep_weights", "show_faces"], ((bool,), "True or False")),
    **dict.fromkeys(["frames", "slow"], ((bool,), "True or False")),
    **dict.fromkeys(["onset", "apex", "offset"], ((int, type(None)), "a frame number, or None")),
    "films": ((list, tuple), "a list of paths"),
    "seed": ((int,), "a whole number from 0 up"),
    "jobs": ((int, type(None)), "a whole number above 0, or None"),
    "most": ((int,), "a whole number above 0"),
    "overrides": ((dict,), 'field: value, with papermill as -y "overrides: {epochs: 2}"'),
    "runs": ((list, tuple), "a list of groups, with papermill as -f STUDY.yml"),
}


def check(given: Mapping[str, object]) -> None:
    """Raises StudyError for a parameter of another type or size, before anything reads it.

    given: names and values, also others: a notebook's `globals()`.
    """
    for name in KINDS.keys() & given.keys():
        value, (types, what) = given[name], KINDS[name]
        if isinstance(value, ModuleType):  # that a notebook imports: `systems.inputs`
            continue
        least = 1 if "above 0" in what else 0
        if type(value) not in types or (type(value) is int and value < least):
            raise StudyError(f"parameter {name} = {value!r} is not possible: give {what}")


def header(corpus) -> None:
    """Name the corpus of a report and count its clips; synthetic faces are announced first.

    corpus: a `Corpus`, or a `Study`; one without a finished run ends the notebook here (`stop`).
    """
    if not len(getattr(corpus, "runs", (None,))):
        stop(f"No run of this study of {corpus.name} is finished: run notebook 41 first.")
    sizes = corpus.clips.groupby("corpus", sort=False)["subject"].agg(["size", "nunique"])
    parts = [f"{corpora.title(part)} {n} clips of {who}" for part, n, who in sizes.itertuples()]
    counts = f"{corpora.title(corpus.name)} (`{corpus.name}`): {len(corpus.clips)} clips of "
    counts += f"{sizes['nunique'].sum()} subjects"
    counts += f" ({', '.join(parts)})" if len(parts) > 1 else ""
    if excluded := len(getattr(corpus, "exclusions", ())):
        counts += f"; {excluded} left out, each with its reason"
    synthetic = getattr(corpus, "synthetic", corpus.name.startswith("synthetic"))
    people.announce(synthetic)
    heading(counts, synthetic)


def heading(counts: str, synthetic: bool) -> None:
    """What a page is about, in one sentence; synthetic faces are announced first."""
    banner = f"> **{SYNTHETIC}**\n\n" if synthetic else ""
    _display(f"{banner}{counts}.", {"header": {"synthetic": bool(synthetic), "counts": counts}})


def source(*objects: object, docstring: bool = True) -> None:
    """Show functions, classes or methods of this study as their files hold them.

    Each comes with its file and first line, coloured for JupyterLab's light and dark theme; on the
    page it is open, unlike the code of cells.  docstring: False leaves the docstring out.
    Raises StudyError for an object that is not defined by a file of `mer_utils`.
    """
    blocks, texts = [], []
    for target in objects:
        code = inspect.unwrap(target.fget if isinstance(target, property) else target)
        try:
            path = Path(inspect.getsourcefile(code)).resolve()
            path.relative_to(paths.PACKAGE)  # an environment may be inside the repository too
            lines, first = inspect.getsourcelines(code)
        except (TypeError, OSError, ValueError) as error:
            raise StudyError(
                "report.source shows functions, classes and methods of this repository, "
                f"not {target}"
            ) from error
        text = textwrap.dedent("".join(lines)).rstrip()
        if not docstring and ast.get_docstring(definition := ast.parse(text).body[0]):
            lines, quoted = text.splitlines(), definition.body[0]
            text = "\n".join(lines[: quoted.lineno - 1] + lines[quoted.end_lineno :])
        place = f"{path.relative_to(paths.ROOT).as_posix()}, line {first}"
        blocks.append(f'<p class="quiet">{place}</p>{_coloured(text)}')
        texts.append(f"{place}\n\n{text}")
    bundle = {"text/html": CODE_STYLE + "".join(blocks), "text/plain": "\n\n".join(texts)}
    display(bundle, raw=True, metadata={"study": {}})


def _coloured(code: str) -> str:
    return highlight(code, PythonLexer(), HtmlFormatter(cssclass="highlight source"))


def show(fig: Figure, alt: str, *, name: str = "") -> None:
    """Show a figure as PNG; `alt` is one sentence with what it shows, for readers who cannot see.

    Of a corpus of people no picture that shows a face is left in it (`plots.people`).  What has to
    be said with the scores of its systems is below it and in `alt` (`plots.style.noted`).
    name: the driver also keeps it as reports/figures/<corpus>_<name>.svg and .pdf.
    """
    if len(alt.split()) < 3:
        raise StudyError(f"report.show needs alt text that says what the figure shows, got {alt!r}")
    alt = " ".join(filter(None, (alt, style.noted(fig))))
    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        people.without_faces(fig).savefig(buffer, format="png", dpi=FIGURE_DPI, bbox_inches="tight")
    lacking = {chr(int(n)) for n in re.findall(r"Glyph (\d+) ", " ".join(map(str, caught)))}
    png = buffer.getvalue()
    pixels = int.from_bytes(png[16:20], "big")  # the width in a PNG's first chunk
    metadata = {"image/png": {"alt": alt, "width": round(pixels * SCREEN_DPI / FIGURE_DPI)}}
    if name:
        metadata["study"] = {"kept": exports.figure(fig, name)}
    plt.close(fig)  # else the kernel shows it a second time
    bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(bundle, raw=True, metadata=metadata)
    if lacking:
        texts = dict.fromkeys(text.get_text() for text in fig.findobj(Text))
        say(
            "Boxes stand for signs that no font of this machine has; in the order drawn: "
            f"{', '.join(text for text in texts if lacking & set(text))}. Install a font that has "
            "them, such as Noto Sans CJK."
        )


def table(frame: pd.DataFrame, caption: str = "", *, digits: int = 3, name: str = "") -> None:
    """Show a data frame as a captioned table; floats to `digits`, missing values as a dash.

    name: the driver also keeps it as reports/tables/<corpus>_<name>.csv and .tex.
    """
    caption = exports.noted(frame, caption)
    cells = exports.titled(frame).map(lambda value: _cell(value, digits))
    body = cells.to_html(index=False, border=0, escape=True, classes="study-table")
    if caption:
        body = body.replace(">", f">\n  <caption>{html.escape(caption)}</caption>", 1)
    bundle = {"text/html": body, "text/plain": f"{caption}\n{cells.to_string(index=False)}".strip()}
    kept = {"kept": exports.table(frame, name, caption, digits)} if name else {}
    display(bundle, raw=True, metadata={"study": kept})


def _cell(value: object, digits: int) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def say(message: str) -> None:
    """Show a sentence with computed numbers like the text around it (Markdown)."""
    _display(" ".join(message.split()))


def answer(message: str) -> None:
    """Close a notebook: the answer to its title, in one sentence with the number (Markdown)."""
    message = " ".join(message.split())
    if not message:
        raise StudyError("report.answer needs the sentence that answers the notebook's title")
    _display(f"**Answer.** {message}", {"answer": message})


def stop(message: str) -> NoReturn:
    """Give `message` as the answer and end the notebook, and its page, here without an error."""
    answer(message)
    raise EndOfNotebook("nothing to show, the other cells are not run")


def _display(markdown: str, study: dict | None = None) -> None:
    bundle = {"text/markdown": markdown, "text/plain": markdown}
    display(bundle, raw=True, metadata={"study": study or {}})
