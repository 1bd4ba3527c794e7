"""run_all.sh: which Python it takes, when it installs and where; nothing real is installed."""

import shlex
import subprocess
import sys

import pytest

from mer_utils import environment, paths

# Stands in for the python of an environment and for the one that makes environments: notes what it
# is asked, installs nothing, and lets the running interpreter do the rest.
PYTHON = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>{log}
case " $* " in
*" pip --version "*) exit 0 ;;
*" pip install "*) touch {complete}; exit 0 ;;
*" --check "*) [ ! -s {complete} ] || {{ cat {complete} >&2; exit 2; }}
    [ -e {complete} ] || {{ echo "numpy missing" >&2; exit 1; }}; exit 0 ;;
*" -m pytest "*) exit 0 ;;
" -c import sys, venv"*) exit 0 ;;
esac
exec {running} "$@"
"""


class Machine:
    """A folder with an environment and a base python, both of which only note what they do."""

    def __init__(self, folder):
        self.environment = folder / "an environment"
        self.complete, self.log = folder / "complete", folder / "log"
        self.bin = folder / "bin"
        quoted = {
            "log": shlex.quote(str(self.log)),
            "complete": shlex.quote(str(self.complete)),
            "running": shlex.quote(sys.executable),
        }
        for python in (self.environment / "bin" / "python", self.bin / "python3.11"):
            python.parent.mkdir(parents=True)
            python.write_text(PYTHON.format(**quoted))
            python.chmod(0o755)

    def run(self, *words):
        return subprocess.run(
            ["bash", str(paths.ROOT / "run_all.sh"), *words],
            capture_output=True,
            text=True,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "MER_VENV": str(self.environment)},
            cwd="/",
            check=False,
        )

    def asked(self, word):
        """The calls of either python that contain `word`."""
        return [call for call in self.log.read_text().splitlines() if word in call]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_mistake_ends_with_2_and_one_line(machine):
    machine.complete.touch()
    done = machine.run("--corpus", "casme3x")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: corpus 'casme3x'")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not machine.asked("-m pip")


def test_an_incomplete_environment_is_completed_from_the_list(machine):
    done = machine.run("--corpus", "casme3x")
    assert "numpy missing" in done.stderr and str(machine.environment) in done.stderr
    list_of_pins = machine.environment / "requirements.txt"
    (install,) = machine.asked("-m pip install")
    assert install.endswith(f"-r {list_of_pins}")
    assert list_of_pins.read_text().splitlines() == environment.requirements()
    assert done.returncode == 2 and "error: corpus 'casme3x'" in done.stderr


def test_nothing_is_installed_into_the_environment_of_another_checkout(machine):
    machine.complete.write_text("error: it is the environment of the checkout /other\n")
    done = machine.run("list")
    assert (done.returncode, done.stderr) == (2, machine.complete.read_text())
    assert not machine.asked("-m pip")


def test_help_makes_no_environment(machine):
    (machine.environment / "bin" / "python").unlink()
    done = machine.run("--help")
    assert done.returncode == 0, done.stderr
    assert "--keep-weights" in done.stdout
    assert not machine.asked("-m pip") and not machine.asked("-m venv")


@pytest.mark.parametrize("words", [(), ("--all",), ("tests/test_faces.py", "-x")])
def test_the_tests_run_side_by_side_with_the_arguments_given(machine, words):
    machine.complete.touch()
    done = machine.run("test", *words)
    assert done.returncode == 0, done.stderr
    (call,) = machine.asked("-m pytest")
    assert "-n auto" in call and call.endswith(" ".join(words))
