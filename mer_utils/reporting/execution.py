"""Runs a notebook from top to bottom in a fresh kernel of this interpreter, and makes its page."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat.v4 import new_code_cell, new_output

from .. import paths
from ..errors import EndOfNotebook, StudyError
from . import exports, pages

EXECUTED, STOPPED, FAILED = "executed", "stopped", "failed"  # stopped: by `report.stop`
KERNELS: set[AsyncKernelManager] = set()  # that were started
INTERRUPTED = threading.Event()
DIED = (
    "the notebook's process was killed, as happens where memory is short: run the same command "
    "again, with a smaller --jobs if it is killed again"
)


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


def run(job: Job, progress=None) -> str:
    """Make a report; EXECUTED, STOPPED or FAILED.  progress: a stream that gets its stderr too."""
    began, stopped_by = time.time(), None
    log = job.file(".log")  # what the kernel's process itself prints; kept when it failed
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mer-") as scratch, log.open("wb") as stream:
        copy = shutil.copy(job.notebook, os.path.join(scratch, "notebook.ipynb"))
        try:
            papermill.execute_notebook(
                copy,
                copy,
                parameters=job.parameters,
                kernel_name="python3",
                progress_bar=False,
                autosave_cell_every=0,
                stderr_file=progress,
                resources={"metadata": {"path": str(Path(job.notebook).resolve().parent)}},
                kernel_manager_class=_manager(scratch, stream),
            )
            status = EXECUTED
        except papermill.PapermillExecutionError as error:  # the copy holds the traceback already
            status = STOPPED if error.ename == EndOfNotebook.__name__ else FAILED
        except OSError:  # of the copy, which then may be half a notebook
            raise
        except Exception as error:  # the kernel did not start, or was killed
            status, stopped_by = FAILED, error
        if not INTERRUPTED.is_set():
            write(job, nbformat.read(copy, as_version=4), began, stopped_by)
    if status != FAILED:
        log.unlink()
    return status


def _manager(scratch: str, log) -> type[AsyncKernelManager]:
    """The kernel is the Python that runs this, whatever `python3` means to Jupyter here."""
    folders = filter(None, (str(paths.ROOT), os.environ.get("PYTHONPATH")))
    surroundings = {
        "OMP_NUM_THREADS": "1",  # runs side by side, and training uses a process per core
        **os.environ,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join(folders),
        # a user's own IPython start-up files and Jupyter settings are no part of the study
        **dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), scratch),
    }

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        def _transport_default(self) -> str:
            """Files instead of ports, which two kernels may want at once, where paths allow."""
            fits = len(scratch) < 80  # a socket's path has at most 104 characters
            return "ipc" if os.name == "posix" and fits else "tcp"

        def _connection_file_default(self) -> str:
            return os.path.join(scratch, "kernel.json")

        def start_kernel(self, **settings):
            KERNELS.add(self)
            return super().start_kernel(
                **settings, env=surroundings, stdout=log, stderr=subprocess.STDOUT
            )

    return ThisInterpreter


def interrupt() -> None:
    """Kill the kernels of all notebooks that run; no page is made of them."""
    INTERRUPTED.set()
    for kernel in list(KERNELS):  # a thread may add another meanwhile
        if kernel.has_kernel:
            kernel.provisioner.process.kill()


def write(job: Job, notebook, began: float, stopped_by: Exception | None = None) -> None:
    """Executed copy, page and what it keeps.  stopped_by: what ended the notebook from outside."""
    if stopped_by:
        if type(stopped_by).__name__ == "DeadKernelError":
            stopped_by = StudyError(DIED)
        elif isinstance(stopped_by, OSError) and stopped_by.errno in paths.REFUSALS:
            stopped_by = paths.disk_error(stopped_by, tempfile.gettempdir(), "used")
        name, message = type(stopped_by).__name__, str(stopped_by)
        error = new_output("error", ename=name, evalue=message, traceback=[message])
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
    pages.write(job.page, pages.page(notebook, report, pages.index_of(job.page)))
    if not (report.error or job.parameters.get("smoke")):
        exports.write(notebook, job.corpus)
