"""Runs one notebook from top to bottom in a fresh kernel of this interpreter.

`mer_utils.reporting.driver` starts this module once per notebook, as a process of its own:
papermill changes the working directory, which threads of one process would share.

    python -m mer_utils notebook '{"notebook": "notebooks/01_corpora.ipynb", ...}'
"""

import ast
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat.v4 import new_code_cell, new_output

from ..errors import EndOfNotebook, StudyError
from . import exports, pages

# exit statuses of this module; any other means that it could not even start
EXECUTED, FAILED, STOPPED = 0, 3, 4  # STOPPED: in order, by `report.stop`


@dataclass(frozen=True)
class Job:
    """One notebook to run, and where what comes of it goes."""

    notebook: str  # path of the notebook
    name: str  # name of the report, unique within the corpus
    corpus: str
    executed: str  # folder of the executed copy, of its mark and of its log
    html: str  # folder of the page
    parameters: dict = field(default_factory=dict)
    label: str = ""  # tells reports of one notebook apart

    @property
    def page(self) -> Path:
        return Path(self.html) / f"{self.name}.html"

    def file(self, suffix: str) -> Path:
        """.ipynb: the notebook as papermill left it; .made: what its page shows; .log."""
        return Path(self.executed) / f"{self.name}{suffix}"


def parameters(path: Path) -> dict:
    """Names and default values in the cell tagged `parameters`: literals only."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            try:
                lines = ast.parse("".join(cell["source"])).body
                return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
            except (AttributeError, ValueError) as error:
                raise StudyError(
                    f"{path.name}: the parameters cell holds something else than name = literal "
                    f"({error}); move it to the next cell"
                ) from error
    return {}


class ThisInterpreter(AsyncKernelManager):
    """The kernel is the Python that runs this, whatever `python3` means to Jupyter here."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")

    def _transport_default(self) -> str:
        """Files instead of ports, which two kernels may want at once, where paths allow."""
        fits = len(self.connection_file) < 95  # a socket's path has at most 104 characters
        return "ipc" if os.name == "posix" and fits else "tcp"

    def _connection_file_default(self) -> str:
        return os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], "kernel.json")


def run(job: Job) -> int:
    """Execute, render, and write the files of a report; EXECUTED, STOPPED or FAILED."""
    began, stopped_by = time.time(), None
    with tempfile.TemporaryDirectory(prefix="mer-") as scratch:
        # a user's own IPython start-up files and Jupyter settings are no part of the study
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            os.environ[variable] = scratch
        copy = shutil.copy(job.notebook, os.path.join(scratch, "notebook.ipynb"))
        try:
            papermill.execute_notebook(
                copy,
                copy,
                parameters=job.parameters,
                kernel_name="python3",
                progress_bar=False,
                autosave_cell_every=0,
                cwd=str(Path(job.notebook).resolve().parent),
                kernel_manager_class=ThisInterpreter,
            )
            status = EXECUTED
        except papermill.PapermillExecutionError as error:  # the copy holds the traceback already
            status = STOPPED if error.ename == EndOfNotebook.__name__ else FAILED
        except (RuntimeError, OSError) as error:  # the kernel did not start, or was killed
            status, stopped_by = FAILED, error
        write(job, nbformat.read(copy, as_version=4), began, stopped_by)
    return status


def write(job: Job, notebook, began: float, stopped_by: Exception | None = None) -> None:
    """The files of a report: executed copy, page and what it keeps; each by rename.

    stopped_by: what ended the notebook from outside, shown in a last cell.
    """
    if stopped_by:
        words = {"ename": type(stopped_by).__name__, "evalue": str(stopped_by)}
        error = new_output("error", **words, traceback=[str(stopped_by)])
        notebook.cells.append(new_code_cell(outputs=[error]))
    report = pages.Report.of(
        notebook,
        name=job.name,
        notebook=Path(job.notebook).stem,
        corpus=job.corpus,
        label=job.label,
        made=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 1),
    )
    pages.write(job.file(".ipynb"), nbformat.writes(notebook) + "\n")
    pages.write(job.page, pages.page(notebook, report))
    if not (report.error or job.parameters.get("smoke")):
        exports.write(notebook, job.corpus)


def command(job: Job) -> list[str]:
    """The command line that runs a job in a process of its own."""
    return [sys.executable, "-P", "-m", "mer_utils", "notebook", json.dumps(asdict(job))]


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
