"""HTML pages of executed notebooks: one file each that needs no network, and their index."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import latex2mathml.exceptions
import pandas as pd
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert as mathml
from markupsafe import Markup, escape
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from .. import __version__, paths
from ..errors import EndOfNotebook
from .report import SYNTHETIC

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_NOTE = "An interactive view stands here; open the notebook in JupyterLab to use it."
# No JavaScript and no widget state: what cannot be shown without them is said in words.
SHOWN = ["text/html", "text/markdown", "image/png", "text/plain"]
# latex2mathml has many errors and no common base for them
LATEX_ERRORS = tuple(
    error for error in vars(latex2mathml.exceptions).values() if isinstance(error, type)
)
NUMBER = re.compile(r"[-−+]?[\d,.]+(e[-+]?\d+)?%?|–|nan|<NA>|", re.IGNORECASE)
NAME_OF_VARIANT = re.compile(r"^\w+/\w+$")  # long, and breaks after its stroke
# of the data on the machine that made the page: only its name says something elsewhere
FOLDER = re.compile(r"^(data = ['\"]).*[/\\](?=[^/\\]+$)", re.MULTILINE)
RECORD = re.compile(r'<meta name="report" content="([^"]*)">')
HEAD = 20_000  # letters of a page in which that stands
SENTENCE = 30  # letters of a cell that wants room for words


@dataclass(frozen=True)
class Report:
    """One executed notebook as the index lists it; kept in the head of its page."""

    name: str  # file name without suffix, unique within the corpus
    notebook: str  # "41_loso"
    title: str  # its question
    corpus: str
    made: str  # UTC, ISO 8601 to the second
    seconds: float
    answer: str = ""  # Markdown, "" where the notebook gave none
    synthetic: bool = False
    counts: str = ""  # "Corpus `smic`: 164 clips of 16 subjects"
    label: str = ""  # tells reports of one notebook apart: "mhssa_gcn, last epoch, seed 0"
    error: str = ""  # "ZeroDivisionError: division by zero", "" when all cells ran

    @classmethod
    def of(cls, executed: NotebookNode, corpus: str, **known) -> Report:
        """Read title, answer, corpus facts and error out of an executed notebook."""
        entries = {}
        error = ""
        for cell in executed.cells:
            for output in cell.get("outputs", []):
                entries.update(output.get("metadata", {}).get("study", {}))
                if output.output_type == "error" and output.ename != EndOfNotebook.__name__:
                    error = f"{output.ename}: {output.evalue}".splitlines()[0][:300]
        header = entries.get("header", {})
        return cls(
            title=title(executed),
            answer=entries.get("answer", ""),
            corpus=corpus,
            synthetic=header.get("synthetic", corpus.startswith("synthetic")),
            counts=header.get("counts", ""),
            error=error,
            **known,
        )


def title(notebook: NotebookNode) -> str:
    """The first `# ` line of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return "Untitled notebook"


def page(notebook: NotebookNode, report: Report) -> str:
    """An executed notebook as one HTML page without any external request."""
    exporter = HTMLExporter(
        template_name="study",
        extra_template_basedirs=[str(TEMPLATES)],
        config=Config(NbConvertBase={"display_data_priority": SHOWN}),
    )
    exporter.register_filter("markdown2html", _markdown)
    html, _ = exporter.from_notebook_node(_readable(notebook))
    body = BeautifulSoup(html, "html.parser")
    _tidy_tables(body)
    contents = [
        {"anchor": heading["id"], "text": heading.get_text().rstrip("¶").strip()}
        for heading in body.find_all("h2", id=True)
    ]
    facts = [report.counts.replace("`", "") or f"Corpus {report.corpus}"]
    facts += [report.label] if report.label else []
    facts += [f"made {_day(report.made)} in {_duration(report.seconds)}"]
    return _render(
        report=json.dumps(asdict(report), ensure_ascii=False),
        title=report.title,
        banner=SYNTHETIC_BANNER if report.synthetic else "",
        crumb=f"{report.corpus} / {report.notebook}",
        error=report.error,
        answer=Markup(_markdown(report.answer)) if report.answer else "",
        facts=" · ".join(facts),
        contents=contents if len(contents) > 1 else [],
        body=Markup(str(body)),
    )


def index(reports: list[Report], results: dict[str, pd.DataFrame]) -> str:
    """The page that lists every report by corpus: its question, its answer, when it was made.

    `results`: corpus -> the table of results of its finished runs, shown above its reports.
    """
    parts = []
    made_up = {report.corpus: report.synthetic for report in reports}
    corpora = sorted(made_up, key=lambda name: (made_up[name], len(name), name))  # people first
    for corpus in corpora:
        mine = sorted(
            (report for report in reports if report.corpus == corpus),
            key=lambda report: (report.notebook, report.name),
        )
        parts.append(_corpus_section(corpus, mine, results.get(corpus)))
    body = BeautifulSoup("\n".join(parts), "html.parser")
    _tidy_tables(body)
    failed = sum(bool(report.error) for report in reports)
    facts = f"{len(reports)} reports" + (f", {failed} of them not complete" if failed else "")
    return _render(
        report="",
        title="Micro-expression recognition under one honest protocol",
        banner=SYNTHETIC_BANNER if all(report.synthetic for report in reports) else "",
        crumb="",
        error="",
        answer="",
        facts=facts,
        contents=[{"anchor": f"corpus-{corpus}", "text": f"Corpus {corpus}"} for corpus in corpora]
        if len(corpora) > 1
        else [],
        body=Markup(str(body)),
    )


def write(path: Path, text: str) -> None:
    """A page appears whole, so that an open browser never reads half of it."""
    paths.write_whole(path, text.encode())


def load(path: Path) -> Report | None:
    """The report that a page shows; None of a page that `page` has not made."""
    with path.open(encoding="utf-8") as file:
        head = file.read(HEAD)
    found = RECORD.search(head)
    return Report(**json.loads(unescape(found[1]))) if found else None


SYNTHETIC_BANNER = SYNTHETIC.removeprefix("Synthetic faces, ")
SYNTHETIC_BANNER = SYNTHETIC_BANNER[0].upper() + SYNTHETIC_BANNER[1:]


class _Renderer(IPythonRenderer):
    """Markdown whose formulas become MathML, which every browser draws without a script."""

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline")

    def block_math(self, body: str) -> str:
        return _formula(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return _formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


def _markdown(source: str) -> str:
    return MarkdownWithMath(renderer=_Renderer(escape=False)).render(source)


def _formula(latex: str, display: str) -> str:
    """MathML that keeps its LaTeX as the text alternative; LaTeX as it is where it is wrong."""
    try:
        html = mathml(latex.strip(), display=display)
    except LATEX_ERRORS:
        return f'<code class="formula">{escape(latex.strip())}</code>'
    return html.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)


def _readable(notebook: NotebookNode) -> NotebookNode:
    """A copy without what a reader of a page cannot use: title, logs, widgets, scripts."""
    notebook = copy.deepcopy(notebook)
    seen_title = False
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and not seen_title:
            seen_title = bool(re.search(r"^# ", cell.source, re.MULTILINE))
            cell.source = re.sub(r"^# .*\n?", "", cell.source, count=1, flags=re.MULTILINE)
        elif cell.cell_type == "code":
            if "injected-parameters" in cell.metadata.get("tags", []):
                cell.source = FOLDER.sub(r"\1…/", cell.source)
            outputs = []
            for output in cell.outputs:
                if output.get("ename") == EndOfNotebook.__name__:
                    del notebook.cells[place + 1 :]  # not run
                    continue
                outputs += _readable_output(output, outputs)
            cell.outputs = outputs
    # papermill puts its own notice and an empty anchor into a failed notebook; ours says more
    marks = {"papermill-error-cell-tag"}
    notebook.cells = [
        cell for cell in notebook.cells if not marks & set(cell.metadata.get("tags", []))
    ]
    return notebook


def _readable_output(output: NotebookNode, before: list[NotebookNode]) -> list[NotebookNode]:
    """What stands on the page for one output: nothing, itself, or words in its place."""
    if output.output_type == "stream":
        return [output] if output.name == "stdout" and output.text.strip() else []
    if output.output_type == "error":
        return [output]
    if "header" in output.get("metadata", {}).get("study", {}):
        return []  # stands in the head of the page already
    data = output.data
    output.output_type = "display_data"  # the value of a cell's last line is shown like any other
    if WIDGET in data:
        output.data = {"text/markdown": f"*{WIDGET_NOTE}*"}
        return [] if any(shown.get("data") == output.data for shown in before) else [output]
    if "text/html" in data:
        html = BeautifulSoup(data["text/html"], "html.parser")
        for element in html(["script", "style", "link", "iframe"]):
            element.decompose()
        data["text/html"] = str(html)
    return [output] if any(kind in data for kind in SHOWN) else []


def _tidy_tables(body: BeautifulSoup) -> None:
    """Numbers to the right; every table scrolls by itself where the page is narrow."""
    for table in body.find_all("table"):
        for unwanted in ("border", "style"):
            del table[unwanted]
        for row in table.find_all("tr"):
            del row["style"]
        rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
        width = max((len(row) for row in rows), default=0)
        for column in range(width):
            cells = [row[column] for row in rows if len(row) == width]
            values = [cell for cell in cells if cell.name == "td"]
            texts = [cell.get_text().strip() for cell in values]
            if values and any(texts) and all(NUMBER.fullmatch(text) for text in texts):
                for cell in cells:
                    cell["class"] = [*cell.get("class", []), "number"]
            elif any(len(text) > SENTENCE for text in texts):
                for cell in cells:
                    cell["class"] = [*cell.get("class", []), "words"]
        for cell in table.find_all(["td", "th"], string=NAME_OF_VARIANT):
            system, _, variant = cell.string.partition("/")
            cell.string = f"{system}/"
            cell.extend([body.new_tag("wbr"), variant])
        for cell in table.select("thead th"):
            cell["scope"] = "col"
        caption = table.find("caption")
        name = caption.extract().get_text().strip() if caption else ""
        scroll = {"class": "scroll", "tabindex": "0", "role": "region"}
        frame = table.wrap(body.new_tag("div", attrs=scroll | {"aria-label": name or "Table"}))
        if name:  # outside of what scrolls: a caption is as wide as its table, a phone is not
            figure = frame.wrap(body.new_tag("figure"))
            words = body.new_tag("figcaption")
            words.string = name
            figure.insert(0, words)


def _corpus_section(corpus: str, reports: list[Report], results: pd.DataFrame | None) -> str:
    """One corpus of the index as HTML."""
    counts = next((report.counts for report in reports if report.counts), "").replace("`", "")
    parts = [f'<section><h2 id="corpus-{escape(corpus)}">Corpus {escape(corpus)}</h2>']
    parts.append(f'<p class="facts">{escape(counts)}</p>' if counts else "")
    if any(report.synthetic for report in reports):
        parts.append(f'<p class="banner">{escape(SYNTHETIC)}</p>')
    if results is not None and len(results):
        table = results.to_html(
            index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.3f}"
        )
        caption = "<caption>Results of the finished runs, left-out subjects pooled</caption>"
        parts.append(re.sub(r"(<table[^>]*>)", rf"\1{caption}", table, count=1))
    parts.append('<ul class="reports">')
    notebooks: dict[str, list[Report]] = {}
    for report in reports:
        notebooks.setdefault(report.notebook, []).append(report)
    for notebook, group in notebooks.items():
        number, _, _ = notebook.partition("_")
        question = f'<span class="number">{escape(number)}</span>{escape(group[0].title)}'
        if len(group) == 1 and not group[0].label:
            report = group[0]
            parts.append(f"<li><h3>{_link(report, question)}</h3>{_entry(report)}</li>")
        else:
            items = "".join(
                f"<li>{_link(report, escape(report.label))}{_entry(report)}</li>"
                for report in group
            )
            parts.append(f"<li><h3>{question}</h3><ul>{items}</ul></li>")
    parts.append("</ul></section>")
    return "\n".join(parts)


def _link(report: Report, text: str) -> str:
    anchor = "#error" if report.error else ""
    return f'<a href="{escape(report.corpus)}/{escape(report.name)}.html{anchor}">{text}</a>'


def _entry(report: Report) -> str:
    if report.error:
        what = f'<p><span class="flag">not complete</span> {escape(report.error)}</p>'
    else:
        what = _markdown(report.answer)
    made = f"Made {_day(report.made)} in {_duration(report.seconds)}."
    return f'{what}<p class="quiet">{made}</p>'


def _render(**parts) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "study"), autoescape=True, undefined=StrictUndefined
    )
    highlighting = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    style = (TEMPLATES / "study" / "style.css").read_text(encoding="utf-8")
    parts["style"] = Markup(style + highlighting)
    script = (TEMPLATES / "study" / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts |= {"script": Markup(script), "script_hash": digest}
    parts["footer"] = f"mer_utils {__version__}. This file needs no network."
    return environment.get_template("page.html.j2").render(**parts)


def _day(made: str) -> str:
    return made.replace("T", " ")[:16] + " UTC"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
