"""Pages name no folder of the machine that made them: what is in a folder, by its name there."""

import copy
import re
import sys
from pathlib import Path

from nbformat import NotebookNode

from .. import paths

DATA = re.compile(r"^data = (['\"])(.+)\1$", re.MULTILINE)
COLOUR = r"\x1b\[[\d;]*m"  # in a traceback
FILES = ("image/png", "kept")  # in what a cell shows: no text


def placeless(notebook: NotebookNode) -> NotebookNode:
    """A copy whose outputs name no folder of this machine, only what is in it."""
    sources = [cell.source for cell in code_of(notebook)]
    given = [Path(data[2]) for source in sources if (data := DATA.search(source))]
    folders = [each if each.is_dir() else each.parent for each in given if each.is_absolute()]
    folders += [paths.DATA, paths.REPORTS, paths.ROOT, Path(sys.prefix), Path(sys.base_prefix)]
    home = Path.home()  # which a traceback calls ~
    folders += [Path("~") / each.relative_to(home) for each in folders if home in each.parents]
    folders = sorted({str(each) for each in (*folders, home) if each != each.parent})
    names = "|".join(map(re.escape, reversed(folders)))
    inside = re.compile(rf"(^|[^\w.-]|{COLOUR})((?:{names})(?:[/\\]|(?![\w.-])))", re.MULTILINE)

    def plain(value):
        if isinstance(value, str):
            return inside.sub(lambda found: found[1] + _name_of(found[2]), value)
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, dict):
            return type(value)(
                {k: each if k in FILES else plain(each) for k, each in value.items()}
            )
        return value

    notebook = copy.deepcopy(notebook)
    for cell in code_of(notebook):
        cell.outputs = plain(cell.outputs)
    return notebook


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _name_of(folder: str) -> str:
    """Nothing in front of what is in a folder; of the folder itself its name."""
    return "" if folder[-1] in "/\\" else re.split(r"[/\\]", folder)[-1]
