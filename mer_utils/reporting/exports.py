"""Tables and figures of a report as files a journal takes: csv and LaTeX, SVG and PDF.

A notebook names what is worth keeping (`report.table(..., name=...)`, `report.show(..., name=...)`)
and writes nothing: the files travel in the metadata of its output, and the driver writes them next
to the report.  So a file is always what its page shows, and a quick look overwrites none.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from .. import paths
from ..errors import StudyError
from .plots.style import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from nbformat import NotebookNode

TABLE_SUFFIXES = (".csv", ".tex")
LONG = 45  # rows that fill a printed page: more become a longtable
NAMES = ("name", "label", "system", "against", "ablation")  # columns that name systems
NAME = re.compile(r"[a-z][a-z0-9_]*")


def titled(frame: pd.DataFrame) -> pd.DataFrame:
    """Systems by their titles, as figures print them; a csv keeps the names that commands take."""
    columns = {name: frame[name].map(title, na_action="ignore") for name in NAMES if name in frame}
    return frame.assign(**columns).rename(columns=title)


def table(frame: pd.DataFrame, name: str, caption: str, digits: int, index: bool) -> dict:
    """A frame as csv with all its digits, and as LaTeX (booktabs) with those of the page."""
    _check(name)
    tex = titled(frame).to_latex(
        index=index,
        escape=True,
        float_format=lambda value: f"{value:.{digits}f}",
        na_rep="--",
        caption=caption.translate(str.maketrans({sign: f"\\{sign}" for sign in "&%_#$"})) or None,
        label=f"tab:{name}",
        longtable=len(frame) > LONG,
        position=None if len(frame) > LONG else "t",
    )
    csv = frame.to_csv(index=index, float_format="%.6g", lineterminator="\n")
    return {"name": name, "files": {".csv": csv, ".tex": tex}}


def figure(fig: Figure, name: str) -> dict:
    """A figure as SVG and PDF, text kept as text, the same bytes for the same figure."""
    _check(name)
    settings = {"svg.hashsalt": name, "svg.fonttype": "none", "pdf.fonttype": 42}
    drawn = {}
    with mpl.rc_context(settings):
        for kind, undated in (("svg", {"Date": None}), ("pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            fig.savefig(buffer, format=kind, bbox_inches="tight", metadata=undated)
            drawn[kind] = buffer.getvalue()
    pdf = base64.b64encode(drawn["pdf"]).decode()
    return {"name": name, "files": {".svg": drawn["svg"].decode(), ".pdf": pdf}}


def write(
    notebook: NotebookNode, corpus: str, tables: Path | None = None, figures: Path | None = None
) -> list[Path]:
    """Write what an executed notebook keeps: reports/tables and reports/figures, by corpus."""
    written = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get("study", {}).get("kept")
            for suffix, content in (kept or {}).get("files", {}).items():
                folder = tables or paths.TABLES
                if suffix not in TABLE_SUFFIXES:
                    folder = figures or paths.FIGURES
                path = folder / f"{corpus}_{kept['name']}{suffix}"
                data = base64.b64decode(content) if suffix == ".pdf" else content.encode()
                paths.write_whole(path, data)
                written.append(path)
    return written


def _check(name: str) -> None:
    if not NAME.fullmatch(name) or name == "results":
        raise StudyError(
            f"a table or figure cannot be kept as {name!r}: use small letters, digits and _, "
            "and not 'results', which the driver writes"
        )
