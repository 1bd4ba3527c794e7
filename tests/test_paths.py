"""Where data and reports are, whatever a shell or a job script leaves in MER_DATA."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mer_utils import paths

SAID = "from mer_utils import paths; import os; print(paths.DATA); print(os.getenv('MER_DATA'))"


def run(value, cwd, *words):
    surroundings = os.environ | {"MER_DATA": value, "PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-P", *(words or ("-c", SAID))]
    return subprocess.run(command, env=surroundings, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("value", ["rel", "rel/", "./rel", ' "rel" ', "rel\n", "'rel'"])
def test_a_relative_folder_counts_from_where_the_command_is_given_and_is_handed_on_whole(
    value, tmp_path
):
    place = str(tmp_path / "rel")
    assert run(value, tmp_path).stdout.splitlines() == [place, place]


def test_a_blank_one_is_none_and_home_is_known(tmp_path):
    usual = paths.ROOT / "data"
    assert run(" ", tmp_path).stdout.startswith(str(usual.resolve()))
    assert run("~/x", tmp_path).stdout.splitlines()[0] == str(Path.home().resolve() / "x")


def test_a_kernel_of_jupyterlab_reads_what_the_driver_reads():
    place = str(paths.ROOT / "rel")
    assert run("rel", paths.NOTEBOOKS).stdout.splitlines()[0] == place


@pytest.mark.parametrize("value", ["a\nb", "file", "~nobody-at-all/x", "x" * 300])
def test_what_is_no_folder_is_refused_in_one_sentence(value, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(value, tmp_path, "-m", "mer_utils", "list")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: MER_DATA=") and "give the path of one" in done.stderr
