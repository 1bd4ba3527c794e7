"""Tables and figures of a report as files a journal takes: csv and LaTeX, SVG and PDF.

A notebook names what is worth keeping (`report.table(..., name=...)`, `report.show(..., name=...)`)
and writes nothing: the files travel in the metadata of its output, and the driver writes them next
to the report.  So a file is always what its page shows, and a quick look overwrites none.
"""

import base64
import io
import re
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from .. import paths
from ..corpora.ids import FORMULA
from ..errors import StudyError
from ..systems import notes, title

LONG = 45  # rows that fill a printed page: more become a longtable
NAMES = ("name", "label", "system", "against", "ablation")  # columns that name systems
NAME = re.compile(r"(?!results$)[a-z][a-z0-9_]*")
NUMBERS = re.compile(r"[+-]?[0-9.]+( to [+-]?[0-9.]+)?|-+")  # 0.1 less is no formula
ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "&%_#$"})


def titled(frame: pd.DataFrame) -> pd.DataFrame:
    """Systems by their titles, as figures print them; a csv keeps the names that commands take."""
    columns = {name: frame[name].map(title, na_action="ignore") for name in NAMES if name in frame}
    return frame.assign(**columns).rename(columns=title)


def noted(frame: pd.DataFrame, caption: str) -> str:
    """The caption, and what has to be said with the scores of the systems that the frame names."""
    named = [str(cell) for name in NAMES if name in frame for cell in frame[name]]
    both = (caption.removesuffix("."), notes([*frame.columns, *named]))
    return ". ".join(filter(None, both))


def harmless(cell: object) -> object:
    """A text that a spreadsheet would take for a formula, behind an apostrophe; else the cell."""
    formula = isinstance(cell, str) and cell.startswith((*FORMULA, "\t", "\r"))
    return f"'{cell}" if formula and not NUMBERS.fullmatch(cell) else cell


def table(frame: pd.DataFrame, name: str, caption: str, digits: int) -> dict:
    """A frame as csv with all its digits, and as LaTeX (booktabs) with those of the page."""
    tex = titled(frame).to_latex(
        index=False,
        escape=True,
        float_format=f"{{:.{digits}f}}".format,
        na_rep="--",
        caption=caption.translate(ESCAPED) or None,
        label=f"tab:{name}",
        longtable=len(frame) > LONG,
        position=None if len(frame) > LONG else "t",
    )
    safe = frame.rename(columns=harmless)
    for position, kind in enumerate(frame.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            safe.isetitem(position, safe.iloc[:, position].map(harmless))
    csv = safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return _kept(name, {".csv": csv, ".tex": tex})


def figure(fig: Figure, name: str) -> dict:
    """A figure as SVG and PDF, text kept as text, the same bytes for the same figure."""
    svg, pdf = io.BytesIO(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "pdf.fonttype": 42}):
        fig.savefig(svg, format="svg", bbox_inches="tight", metadata={"Date": None})
        fig.savefig(pdf, format="pdf", bbox_inches="tight", metadata={"CreationDate": None})
    files = {".svg": svg.getvalue().decode(), ".pdf": base64.b64encode(pdf.getvalue()).decode()}
    return _kept(name, files)


def _kept(name: str, files: dict[str, str]) -> dict:
    """What the metadata of an output hold: the name, and each file as text by its suffix."""
    if not NAME.fullmatch(name):
        raise StudyError(
            f"a table or figure cannot be kept as {name!r}: use small letters, digits and _, "
            "and not 'results', which the driver writes"
        )
    return {"name": name, "files": files}


def files(notebook: dict, corpus: str) -> dict[Path, bytes]:
    """The files that an executed notebook keeps, in reports/tables and reports/figures."""
    contents = {}
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", [])):
        kept = output.get("metadata", {}).get("study", {}).get("kept", {"files": {}})
        for suffix, content in kept["files"].items():
            folder = paths.TABLES if suffix in (".csv", ".tex") else paths.FIGURES
            path = folder / f"{corpus}_{kept['name']}{suffix}"
            contents[path] = base64.b64decode(content) if suffix == ".pdf" else content.encode()
    return contents


def write(notebook: dict, corpus: str) -> None:
    """Write what an executed notebook keeps."""
    for path, content in files(notebook, corpus).items():
        paths.write_whole(path, content)
