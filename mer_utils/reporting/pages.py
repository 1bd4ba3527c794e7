"""HTML pages of executed notebooks: one file each that needs no network, and their front page."""

import base64
import contextlib
import copy
import hashlib
import json
import re
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import unescape
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pandas as pd
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert as mathml
from markupsafe import Markup, escape
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from .. import __version__, corpora, paths, systems
from ..errors import EndOfNotebook
from .report import SYNTHETIC

TEMPLATES = Path(__file__).parent / "templates"
WIDGET = "application/vnd.jupyter.widget-view+json"
UNTOLD = "A picture is left out here: only those of `report.show` come to a page."
WIDGET_NOTE = "An interactive view is here in JupyterLab: open the notebook to use it."
# No JavaScript and no widget state: what needs them is replaced by a sentence.
SHOWN = ["text/html", "text/markdown", "image/png", "text/plain"]
_NUMBER = r"[-−+]?[\d,.]+(e[-+]?\d+)?%?"
NUMBER = re.compile(rf"{_NUMBER}( to {_NUMBER})?|–|nan|<NA>|", re.IGNORECASE)
NAME_OF_VARIANT = re.compile(r"^\w+/\w+$")  # long, and breaks after its stroke
# of the data on the machine that made the page: only its name says something elsewhere
FOLDER = re.compile(r"^(data = ['\"]).*[/\\](?=[^/\\]+$)", re.MULTILINE)
DATA = re.compile(r"^data = (['\"])(.+)\1$", re.MULTILINE)
COLOUR = r"\x1b\[[\d;]*m"  # in a traceback
# Pages that the repository itself holds; INDEX lists them alone, EVERYTHING what a machine has.
COMMITTED = (
    "40_protocol 50_comparison 51_published 52_ablations 56_calibration 57_across 90_summary"
)
COMMITTED = tuple(f"megc2019_flow/{name}" for name in COMMITTED.split())
INDEX, EVERYTHING = "index.html", "all.html"
LIMITS = paths.ROOT / "reports" / "LIMITS.md"
RECORD = re.compile(r'<meta name="report" content="([^"]*)">')
SENTENCE = 20  # letters of a cell that wants room for words
HEADING = re.compile(r"^# (.*)\n?", re.MULTILINE)


@dataclass(frozen=True)
class Report:
    """One executed notebook as the front page lists it; kept in the head of its page."""

    name: str  # file name without suffix, unique within the corpus
    notebook: str  # "41_loso"
    title: str  # its question
    corpus: str
    made: str  # UTC, ISO 8601 to the second
    seconds: float
    answer: str = ""  # Markdown, "" where the notebook gave none
    synthetic: bool = False
    counts: str = ""  # "Corpus `smic`: 164 clips of 16 subjects"
    label: str = ""  # distinguishes reports of one notebook: "mhssa_gcn, last epoch, seed 0"
    error: str = ""  # "ZeroDivisionError: division by zero", "" when all cells ran

    @classmethod
    def of(cls, executed: NotebookNode, corpus: str, **facts) -> "Report":
        """Read title, answer, corpus facts and error out of an executed notebook."""
        entries, error, headings = {}, "", []
        for cell in placeless(executed).cells:
            if cell.cell_type == "markdown" and (heading := HEADING.search(cell.source)):
                headings.append(heading[1].strip())
            for output in cell.get("outputs", []):
                entries.update(output.get("metadata", {}).get("study", {}))
                if output.output_type == "error" and output.ename != EndOfNotebook.__name__:
                    error = f"{output.ename}: {output.evalue}".splitlines()[0][:300]
        facts |= {"synthetic": corpus.startswith("synthetic"), **entries.get("header", {})}
        facts |= {"title": headings[0] if headings else "Untitled notebook"}
        return cls(corpus=corpus, answer=entries.get("answer", ""), error=error, **facts)

    @property
    def day(self) -> str:
        return self.made.replace("T", " ")[:16] + " UTC"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 90:
        return f"{seconds / 3600:.1f} h"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def page(notebook: NotebookNode, report: Report, index: str = EVERYTHING) -> str:
    """An executed notebook as one page without any request, that leads back to the list `index`."""
    exporter = HTMLExporter(
        template_name="study",
        extra_template_basedirs=[str(TEMPLATES)],
        config=Config(NbConvertBase={"display_data_priority": SHOWN}),
    )
    exporter.register_filter("markdown2html", markdown)
    exporter.register_filter("said", said)
    html, _ = exporter.from_notebook_node(_readable(placeless(notebook)))
    body = BeautifulSoup(html, "html.parser")
    _tidy_tables(body)
    headings = body.find_all("h2", id=True)
    return _render(
        "page.html.j2",
        report=report,
        index=index,
        record=json.dumps(asdict(report), ensure_ascii=False),
        contents=[(h2["id"], h2.get_text().rstrip("¶").strip()) for h2 in headings],
        body=Markup(str(body)),
    )


def index(reports: list[Report], results: dict[str, pd.DataFrame], figures: Path) -> str:
    """The front page: by corpus its ranking (of 50_comparison), results, a card per notebook."""
    order = sorted(reports, key=attrgetter("synthetic", "corpus", "notebook", "name"))
    sections = []
    for corpus, group in groupby(order, attrgetter("corpus")):
        of_corpus, ranking = list(group), figures / f"{corpus}_ranking.svg"
        answers = {report.notebook: report.answer for report in of_corpus}
        sections += [
            {
                "corpus": corpus,
                "title": corpora.title(corpus),
                "counts": next((report.counts for report in of_corpus if report.counts), ""),
                "synthetic": any(report.synthetic for report in of_corpus),
                "ranking": base64.b64encode(ranking.read_bytes()).decode()
                if ranking.is_file()
                else "",
                "alt": answers.get("50_comparison") or f"Ranking of the systems on {corpus}",
                "table": _results(results[corpus]) if len(results.get(corpus, ())) else "",
                "notebooks": [list(part) for _, part in groupby(of_corpus, attrgetter("notebook"))],
            }
        ]
    return _render(
        "front.html.j2",
        report=None,
        title="Micro-expression recognition under one honest protocol",
        count=len(reports),
        failed=sum(bool(report.error) for report in reports),
        sections=sections,
        contents=[(f"corpus-{section['corpus']}", section["title"]) for section in sections],
    )


def write(path: Path, text: str) -> None:
    """A page appears whole, so that an open browser never reads half of it."""
    paths.write_whole(path, text.encode())


def load(path: Path) -> Report | None:
    """The report that a page shows; None of a page that `page` has not made, or not so."""
    with path.open(encoding="utf-8", errors="replace") as file:
        record = RECORD.search(file.read(20_000))
    try:
        return Report(**json.loads(unescape(record[1]))) if record else None
    except (TypeError, ValueError):
        return None


def write_index(folder: Path, committed: bool = False) -> Path:
    """The page that lists the reports made so far below a folder, or only the committed ones."""
    reports = []
    for path in sorted((folder / "html").glob("*/*.html")):
        corpus, stem = path.parent.name, path.stem
        listed = not committed or f"{corpus}/{stem}" in COMMITTED
        if listed and (report := load(path)):
            reports.append(replace(report, corpus=corpus, name=stem))  # where its link leads
    results = {}
    for path in sorted((folder / "tables").glob("*_results.csv")):
        with contextlib.suppress(ValueError):  # a damaged one: the next run writes it again
            results[path.stem.removesuffix("_results")] = pd.read_csv(path)
    title, _, text = LIMITS.read_text(encoding="utf-8").removeprefix("# ").partition("\n")
    limits = {"title": title, "contents": [], "body": markdown(text)}  # to which every page leads
    write(folder / "html" / "limits.html", _render("limits.html.j2", report=None, **limits))
    page = folder / "html" / (INDEX if committed else EVERYTHING)
    write(page, index(reports, results, folder / "figures"))
    return page


def index_of(page: Path) -> str:
    """The list that a page leads back to."""
    committed = [paths.ROOT / "reports" / "html" / f"{name}.html" for name in COMMITTED]
    return INDEX if page in committed else EVERYTHING


class _Renderer(IPythonRenderer):
    """Formulas as MathML, their LaTeX as text alternative; wrong LaTeX stays as it is."""

    def inline_math(self, body: str, display: str = "inline") -> str:
        try:
            html = mathml(body.strip(), display=display)
        except Exception:  # latex2mathml has many errors, and no common base for them
            return f'<code class="formula">{escape(body.strip())}</code>'
        return html.replace("<math ", f'<math alttext="{escape(body.strip())}" ', 1)

    def block_math(self, body: str) -> str:
        return self.inline_math(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")


def markdown(source: str, escape: bool = False) -> Markup:
    """Markdown as HTML, formulas as MathML."""
    return Markup(MarkdownWithMath(renderer=_Renderer(escape=escape)).render(source))


# Of what a notebook has computed: it may hold names from data, so that HTML is text.
said = partial(markdown, escape=True)


def placeless(notebook: NotebookNode) -> NotebookNode:
    """A copy whose outputs name no folder of this machine, only what is in it."""
    notebook = copy.deepcopy(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    given = [Path(data[2]) for cell in cells if (data := DATA.search(cell.source))]
    folders = [path if path.is_dir() else path.parent for path in given if path.is_absolute()]
    folders += [paths.DATA, paths.REPORTS, paths.ROOT, Path(sys.prefix), Path(sys.base_prefix)]
    home = Path.home()  # which a traceback calls ~
    folders += [Path("~") / path.relative_to(home) for path in folders if home in path.parents]
    folders = sorted({str(path) for path in (*folders, home) if path != path.parent})
    names = "|".join(map(re.escape, reversed(folders)))
    inside = re.compile(rf"(^|[^\w.-]|{COLOUR})((?:{names})(?:[/\\]|(?![\w.-])))", re.MULTILINE)

    def plain(value):
        if isinstance(value, str):
            # nothing in front of what is in a folder; of the folder itself its name
            return inside.sub(lambda match: match[1] + re.split(r"[/\\]", match[2])[-1], value)
        if isinstance(value, list):
            return [plain(part) for part in value]
        if isinstance(value, dict):  # a picture and a kept file are no text
            files = ("image/png", "kept")
            return type(value)(
                {key: part if key in files else plain(part) for key, part in value.items()}
            )
        return value

    for cell in cells:
        cell.outputs = plain(cell.outputs)
    return notebook


def _readable(notebook: NotebookNode) -> NotebookNode:
    """A copy without what a reader of a page cannot use: title, logs, widgets, scripts."""
    notebook = copy.deepcopy(notebook)
    cells, notebook.cells, titles = notebook.cells, [], 0
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "papermill-error-cell-tag" in tags:
            continue  # papermill's own notice in a failed notebook; the page says more
        notebook.cells.append(cell)
        if cell.cell_type == "markdown" and not titles:
            cell.source, titles = HEADING.subn("", cell.source, count=1)
        elif cell.cell_type == "code":
            if "injected-parameters" in tags:
                cell.source = FOLDER.sub(r"\1…/", cell.source)
            outputs, cell.outputs = cell.outputs, []
            for output in filter(None, map(_readable_output, outputs)):
                if not (WIDGET_NOTE in str(output) and output in cell.outputs):  # once a cell
                    cell.outputs.append(output)
            if any(output.get("ename") == EndOfNotebook.__name__ for output in outputs):
                break  # the cells below were not run
    return notebook


def _readable_output(output: NotebookNode) -> NotebookNode | None:
    """What a page shows of one output: nothing, the output, or a sentence in its place."""
    if output.output_type == "stream":
        return output if output.name == "stdout" and output.text.strip() else None
    if output.output_type == "error":
        return None if output.ename == EndOfNotebook.__name__ else output
    if "header" in output.get("metadata", {}).get("study", {}):
        return None  # the head of the page has it already
    data, output.output_type = output.data, "display_data"  # a cell's last line like any other
    output.pop("execution_count", None)
    if WIDGET in data:
        output.data = {"text/markdown": f"*{WIDGET_NOTE}*"}
        output.metadata = {}
    elif "image/png" in data and "alt" not in output.metadata.get("image/png", {}):
        output.data = {"text/markdown": f"*{UNTOLD}*"}  # nobody has looked for a person in it
    elif "text/html" in data:
        html = BeautifulSoup(data["text/html"], "html.parser")
        for element in html(["script", "style", "link", "iframe"]):
            element.decompose()
        data["text/html"] = str(html)
    return output if any(kind in output.data for kind in SHOWN) else None


def _tidy_tables(body: BeautifulSoup) -> None:
    """Numbers to the right; every table scrolls by itself where the page is narrow."""
    for table in body.find_all("table"):
        for element in (table, *table.find_all("tr")):
            del element["border"], element["style"]
        rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
        width = max(map(len, rows), default=0)
        for column in zip(*(row for row in rows if len(row) == width), strict=True):
            texts = [cell.get_text().strip() for cell in column if cell.name == "td"]
            name = "words" if any(len(text) > SENTENCE for text in texts) else ""
            if any(texts) and all(NUMBER.fullmatch(text) for text in texts):
                name = "number"
            for cell in column if name else ():
                cell["class"] = [*cell.get("class", []), name]
        for cell in table.find_all(["td", "th"], string=NAME_OF_VARIANT):
            system, _, variant = cell.string.partition("/")
            cell.string = f"{system}/"
            cell.extend([body.new_tag("wbr"), variant])
        for cell in table.select("thead th"):
            cell["scope"] = "col"
        caption = table.find("caption")
        name = caption.extract().get_text().strip() if caption else ""
        attributes = {"class": "scroll", "tabindex": "0", "role": "region"}
        attributes["aria-label"] = name or "Table"
        frame = table.wrap(body.new_tag("div", attrs=attributes))
        if name:  # outside of what scrolls: a caption is as wide as its table, a phone is not
            frame.wrap(body.new_tag("figure")).insert(0, body.new_tag("figcaption", string=name))


def _results(table: pd.DataFrame) -> Markup:
    """The results of a corpus as a table that a laptop has room for, best first."""
    table = table.sort_values("UF1", ascending=False, kind="stable")
    columns = {"system": table["system"].map(systems.title)}
    for metric in ("UF1", "UAR"):
        limits = table[[f"{metric} low", f"{metric} high"]].to_numpy()
        columns[metric] = table[metric].map("{:.3f}".format)
        columns[f"95 % of {metric}"] = [f"{low:.2f} to {high:.2f}" for low, high in limits]
    columns["budget"] = table["selection"].replace({"last": "as given", "inner": "chosen inside"})
    columns |= {name: table[name] for name in ("seeds", "preset") if name in table}
    caption = "Results of the finished runs, left-out subjects pooled; intervals over subjects"
    body = BeautifulSoup(pd.DataFrame(columns).to_html(index=False, border=0), "html.parser")
    body.table.insert(0, body.new_tag("caption", string=caption))
    _tidy_tables(body)
    return Markup(str(body))


def _render(template: str, **parts) -> str:
    folder = TEMPLATES / "study"
    loader = FileSystemLoader(folder)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"markdown": said, "clock": clock}
    script = (folder / "sort.js").read_text(encoding="utf-8")
    style = (folder / "style.css").read_text(encoding="utf-8")
    highlighting = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    return environment.get_template(template).render(
        style=Markup(style + highlighting),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        synthetic=SYNTHETIC,
        version=__version__,
        **parts,
    )
