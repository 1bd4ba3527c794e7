"""Runs one notebook from top to bottom in a fresh kernel of this interpreter.

`mer_utils.reporting.driver` starts this module once per notebook, as a process of its own:
papermill changes the working directory, which threads of one process would share.

    python -m mer_utils notebook '{"notebook": "notebooks/01_corpora.ipynb", ...}'
"""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EndOfNotebook, StudyError

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXECUTED, FAILED = 0, 3  # exit statuses of this module; any other means it could not even start


@dataclass(frozen=True)
class Job:
    """One notebook to run, and where what comes of it goes."""

    notebook: str  # path of the notebook
    name: str  # name of the report, unique within the corpus
    corpus: str
    executed: str  # folder of the executed copy and of the report's JSON
    html: str  # folder of the page
    parameters: dict = field(default_factory=dict)
    label: str = ""  # tells reports of one notebook apart
    seconds: float = 0.0  # that it typically takes

    @property
    def stem(self) -> str:
        return Path(self.notebook).stem


def parameters(path: Path) -> dict:
    """Names and default values in the cell tagged `parameters`: literals only."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            try:
                return {
                    statement.targets[0].id: ast.literal_eval(statement.value)
                    for statement in tree.body
                }
            except (AttributeError, ValueError) as error:
                raise StudyError(
                    f"{path.name}: the parameters cell holds something else than name = literal "
                    f"({error}); move it to the next cell"
                ) from error
    return {}


def run(job: Job) -> int:
    """Execute, render, and write the three files of a report; EXECUTED or FAILED."""
    with tempfile.TemporaryDirectory(prefix="mer-") as scratch:
        # a user's own IPython start-up files and Jupyter settings are no part of the study
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            os.environ[variable] = scratch
        return _run(job, Path(scratch))


def _run(job: Job, scratch: Path) -> int:
    # imported here: reading a notebook's parameters needs none of this
    import nbformat
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    socket = scratch / "kernel"

    class ThisInterpreter(AsyncKernelManager):
        """The kernel is the Python that runs this, whatever `python3` means to Jupyter here."""

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        def _transport_default(self) -> str:
            """Files instead of ports, which two kernels may want at once, where paths allow."""
            fits = len(str(socket)) < 90  # a socket's path has at most 104 characters
            return "ipc" if os.name == "posix" and fits else "tcp"

        def _connection_file_default(self) -> str:
            return f"{socket}.json"

    part = executed_copy(job).with_name(f".{job.name}.{os.getpid()}.ipynb")
    part.parent.mkdir(parents=True, exist_ok=True)
    began = time.time()
    status = FAILED
    try:
        papermill.execute_notebook(
            _literally(job.notebook),
            _literally(part),
            parameters=job.parameters,
            kernel_name="python3",
            progress_bar=False,
            autosave_cell_every=0,
            cwd=str(Path(job.notebook).resolve().parent),
            kernel_manager_class=ThisInterpreter,
        )
        status = EXECUTED
        write(job, nbformat.read(part, as_version=4), began)
    except papermill.PapermillExecutionError as error:  # the copy holds the traceback already
        if error.ename == EndOfNotebook.__name__:
            status = EXECUTED
        write(job, nbformat.read(part, as_version=4), began)
    except (RuntimeError, OSError) as error:  # the kernel did not start, or was killed
        source = part if part.is_file() else Path(job.notebook)
        write(job, stopped(nbformat.read(source, as_version=4), error), began)
    finally:
        part.unlink(missing_ok=True)
    return status


def write(job: Job, notebook: NotebookNode, began: float) -> None:
    """The two files of a report: executed copy, and page; by rename."""
    import nbformat

    from . import exports, pages

    report = pages.Report.of(
        notebook,
        name=job.name,
        notebook=job.stem,
        corpus=job.corpus,
        label=job.label,
        made=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 1),
    )
    pages.write(executed_copy(job), nbformat.writes(notebook) + "\n")
    pages.write(Path(job.html) / f"{job.name}.html", pages.page(notebook, report))
    if not (report.error or job.parameters.get("smoke")):
        exports.write(notebook, job.corpus)


def stopped(notebook: NotebookNode, error: Exception) -> NotebookNode:
    """The notebook with a last cell that says what stopped it from outside."""
    from nbformat.v4 import new_code_cell, new_output

    words = {"ename": type(error).__name__, "evalue": str(error), "traceback": [str(error)]}
    notebook.cells.append(new_code_cell(outputs=[new_output("error", **words)]))
    return notebook


def executed_copy(job: Job) -> Path:
    """The notebook as papermill leaves it, outputs and all."""
    return Path(job.executed) / f"{job.name}.ipynb"


def command(job: Job) -> list[str]:
    """The command line that runs a job in a process of its own."""
    return [sys.executable, "-P", "-m", "mer_utils", "notebook", json.dumps(asdict(job))]


def _literally(path: str | Path) -> str:
    """papermill fills {names} in paths; a folder may have braces in its own name."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _stop_with_parent() -> None:
    """Stop, and the kernel with us, when the driver is gone: its end of our stdin closes."""
    # unbuffered: a buffered reader holds a lock that the interpreter wants at its exit
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
    os._exit(1)


def main(job: str) -> int:
    """Run the job that is given as JSON: what `command` starts."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up on both
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    return run(Job(**json.loads(job)))
