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
        if isinstance(value, dict):
            parts = {key: part if key in FILES else plain(part) for key, part in value.items()}
            return type(value)(parts)
        return value

    for cell in cells:
        cell.outputs = plain(cell.outputs)
    return notebook
