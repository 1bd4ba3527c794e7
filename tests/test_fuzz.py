"""A few damaged files for each reader; `benchmarks/fuzz.py` makes as many as one likes."""

import importlib.util
import io

import pytest

from mer_utils import paths

SPEC = importlib.util.spec_from_file_location("fuzz", paths.ROOT / "benchmarks" / "fuzz.py")
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    said = io.StringIO()
    counted = fuzz.fuzz(name, 40, 0, tmp_path, said)
    assert said.getvalue() == "" and counted["read"] and counted["refused"]


def test_a_changed_release_is_read_or_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    said = io.StringIO()
    counted = fuzz.fuzz("class_folders", 20, 0, tmp_path, said)
    assert said.getvalue() == "" and counted["read"] and counted["refused"]
