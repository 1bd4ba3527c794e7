"""Disks, files and clips as they come: full, cut, black, long, without rights."""

import errno
import os
import subprocess
import sys
import time

import cv2
import joblib
import moving_face
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from made_clips import clip_table, made_views

from mer_utils import cli, paths
from mer_utils.errors import DiskError, StudyError
from mer_utils.preprocessing import cache, definitions, images, motion, views


@pytest.fixture(scope="module")
def film() -> moving_face.Clip:
    return moving_face.clip(50, 2.5, 1.0, frames=15, apex=9)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    return tmp_path


def compute(corpus, *names):
    return views.compute(corpus, names or ("flow",), jobs=1, progress=False)


# --- frames


def test_black_frames_are_no_apex_and_no_key_frames_and_are_counted(folder, film):
    """As OpenFace writes where it has lost the face."""
    names = ("video", "keyframes", "rise")
    whole, dark = (
        moving_face.corpus(folder / name, {"film": film}, spot=("film",))
        for name in ("whole", "dark")
    )
    place = dark.clips["frames"][0]
    for number in (4, 5, 12):
        cv2.imwrite(f"{place}/img{number}.jpg", np.zeros_like(film.frames[0]))
    found = compute(dark, *names)
    assert found.clips["note"][0] == "3 of its 15 frames have no contrast and are not used"
    assert abs(int(found.clips["apex"][0]) - 10) <= 3
    assert all(found.arrays[name].std(axis=(2, 3)).min() > 10 for name in names)
    assert compute(whole, *names).clips["note"][0] == ""


def test_a_movement_that_no_face_makes_is_noted(folder, film):
    corpus = moving_face.corpus(folder / "moving", {"good": film, "jumps": film})
    jumped = cv2.resize(film.frames[9][:, 80:], (moving_face.WIDTH, moving_face.HEIGHT))
    cv2.imwrite(f"{corpus.clips['frames'][1]}/img10.jpg", jumped)
    found = compute(corpus)
    largest = np.hypot(*found.arrays["flow"][:, :2].swapaxes(0, 1)).max(axis=(1, 2))
    assert [note != "" for note in found.clips["note"]] == list(largest > motion.MOST)
    assert found.clips["note"][0] == ""
    shift = np.zeros((3, 28, 28))
    shift[0, 14, 14] = 45
    assert motion.doubt(shift).startswith("moves by 45 pixels of a face of 128")
    assert motion.doubt(shift / 10) == ""


@pytest.mark.parametrize("error", [MemoryError, cv2.error, RuntimeError])
def test_what_goes_wrong_in_one_clip_is_its_reason(folder, film, monkeypatch, error):
    corpus = moving_face.corpus(folder / "moving", {"good": film, "bad": film})
    decode = images.Frame.decode

    def fails(frame):
        if frame.path.parent.name == "bad":
            raise error("no room")
        return decode(frame)

    monkeypatch.setattr(images.Frame, "decode", fails)
    cv2.imwrite(f"{corpus.clips['frames'][1]}/img2.jpg", film.frames[2])  # so that it is not cached
    found = compute(corpus)
    assert list(found.clips["clip"]) == ["good"]
    assert list(found.exclusions["reason"]) == [f"{error.__name__}: no room"]


def test_a_killed_process_is_a_sentence(folder, film, monkeypatch):
    corpus = moving_face.corpus(folder / "moving", {"film": film, "other": film})

    class Killed(joblib.Parallel):
        def __call__(self, tasks):
            yield from ()
            raise TerminatedWorkerError("killed")

    monkeypatch.setattr(joblib, "Parallel", Killed)
    with pytest.raises(StudyError, match="views of moving was killed.*fewer --jobs"):
        views.compute(corpus, ("flow",), jobs=2, progress=False)


PEAK = """
import resource, sys
from pathlib import Path
from mer_utils.preprocessing import clip, definitions
clip.KEPT = 0
for count in (15, 105):
    place = f"{sys.argv[1]}/{count}.avi"
    one = clip.Clip(dict(frames=place, onset=1, apex=None, offset=None), "dis_fine", Path("cache"))
    for view in ("video", "keyframes", "rise"):
        definitions.VIEWS[view](one)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, one.apex_number)
"""


def test_memory_does_not_grow_with_the_length_of_a_video(folder, film):
    """90 frames of 1.6 MB more: when each was kept, once as read and once decoded, 280 MB."""
    for count in (15, 105):
        stream = cv2.VideoWriter(
            str(folder / f"{count}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1440, 1200)
        )
        for number in range(count):
            frame = cv2.resize(film.frames[15 * number // count], (1440, 1200))
            stream.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        stream.release()
    words = [sys.executable, "-c", PEAK, str(folder)]
    with_package = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(words, env=with_package, cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    (short, early), (long, late) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert long - short < 60
    assert abs(early / 15 - 2 / 3) < 0.2 and abs(late / 105 - 2 / 3) < 0.2


# --- values


def test_a_value_that_is_no_number_is_named_before_training(folder, film, monkeypatch):
    with_one = made_views(clip_table(4))
    with_one.arrays["flow"][7, 1, 3, 3] = np.nan
    key = "/".join(with_one.clips.loc[7, ["corpus", "subject", "clip"]])
    with pytest.raises(StudyError, match=f"'flow' of clip {key} holds a value that is no finite"):
        views.Views(with_one.clips, with_one.exclusions, with_one.arrays)
    file = views.save(with_one, folder / "views.npz", "made")
    assert cli.main(["train", "svm", "--data", str(file), "--jobs", "1"]) == 2
    corpus = moving_face.corpus(folder / "moving", {"good": film, "bad": film})
    flow = definitions.VIEWS["flow"]
    broken = {"flow": lambda clip: flow(clip) * (np.nan if clip.row["clip"] == "bad" else 1)}
    monkeypatch.setattr(definitions, "VIEWS", definitions.VIEWS | broken)
    found = compute(corpus)
    reason = "its view 'flow' holds a value that is no finite number"
    assert list(found.exclusions["reason"]) == [reason] and list(found.clips["clip"]) == ["good"]


def test_half_a_file_is_a_sentence_or_made_again(folder):
    whole = views.save(made_views(clip_table(4)), folder / "views.npz", "made").read_bytes()
    kept = folder / "cache"
    cache.cached(kept, "made", (), lambda: np.arange(3.0))
    (file,) = kept.rglob("*.npz")
    array = file.read_bytes()
    for share in (0, 0.01, 0.3, 0.5, 0.9, 0.99):
        (folder / "views.npz").write_bytes(whole[: int(share * len(whole))])
        for read in (views.load, views.about):
            with pytest.raises(StudyError, match="views.npz holds no views"):
                read(folder / "views.npz")
        file.write_bytes(array[: int(share * len(array))])
        with pytest.warns(UserWarning, match="is damaged .*: it is made again"):
            assert cache.cached(kept, "made", (), lambda: np.arange(3.0))[2] == 2
        assert file.read_bytes() == array


# --- disks


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_files_have_the_rights_that_the_user_asks_for(folder, mask):
    before = os.umask(mask)
    try:
        paths.write_whole(folder / "a" / "file", b"content")
    finally:
        os.umask(before)
    assert (folder / "a" / "file").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_without_rights_is_not_damaged(folder, monkeypatch):
    value = cache.cached(folder, "made", (), lambda: np.arange(3.0))
    (file,) = folder.rglob("*.npz")
    content, open_file = file.read_bytes(), type(file).open

    def refuses(path, *arguments):
        if path == file:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *arguments)

    monkeypatch.setattr(type(file), "open", refuses)  # a test may run as root, who has all rights
    with pytest.raises(DiskError, match=r"cannot be read \(Permission denied\).*MER_DATA="):
        cache.cached(folder, "made", (), lambda: value)
    monkeypatch.undo()
    assert file.read_bytes() == content


def test_unfinished_files_are_of_one_process_each_and_do_not_stay_for_ever(folder, monkeypatch):
    names = []
    replace = type(folder).replace
    monkeypatch.setattr(
        type(folder), "replace", lambda part, to: (names.append(part.name), replace(part, to))
    )
    for _ in range(2):  # the same process, as two containers with one number
        paths.write_whole(folder / "file", b"content")
    assert names[0] != names[1] and [file.name for file in folder.iterdir()] == ["file"]
    old, new, other = (folder / name for name in (*names, ".mine.part"))
    for file in (old, new, other):
        file.write_bytes(b"cont")
    for file in (old, other):
        os.utime(file, 2 * (time.time() - 2 * paths.ABANDONED,))
    paths._tidy.cache_clear()
    paths.write_whole(folder / "file", b"content")
    assert {file.name for file in folder.iterdir()} == {"file", new.name, other.name}


def test_what_is_written_is_on_the_disk_before_it_has_its_name(folder, monkeypatch):
    order, sync, replace = [], os.fsync, type(folder).replace
    kind = {True: "folder", False: "file"}
    monkeypatch.setattr(
        os, "fsync", lambda n: (order.append(kind[os.path.isdir(f"/dev/fd/{n}")]), sync(n))
    )
    monkeypatch.setattr(
        type(folder), "replace", lambda part, to: (order.append("name"), replace(part, to))
    )
    paths.write_whole(folder / "file", b"content")
    assert order == ["file", "name", "folder"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_sentence(folder, film, monkeypatch, capsys, code):
    """And the reason of no clip: all would be left out."""
    corpus = moving_face.corpus(folder / "moving", {"film": film})

    def full(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(type(folder), "replace", full)  # of what is cached, of all that is written
    with pytest.raises(DiskError, match=os.strerror(code)) as told:
        compute(corpus)
    words = str(told.value)
    assert words.startswith(str(folder / "cache")) and "MER_DATA=/another/disk" in words
    assert not list(folder.rglob("*.part"))
    monkeypatch.undo()
    monkeypatch.setattr(cli, "_list", full)  # wherever else it happens
    assert cli.main(["list"]) == 2
    assert os.strerror(code) in capsys.readouterr().err


@pytest.mark.parametrize("part", ["clips", "exclusions", "about", "view_flow"])
def test_a_part_of_a_file_of_views_that_is_another_is_a_sentence(folder, part):
    file = views.save(made_views(clip_table(4)), folder / "views.npz", "made")
    with np.load(file) as stored:
        arrays = dict(stored)
    for content in (b'{"data":[["a"]]}', b"{}", b"[1]", b'{"data":1}', b"\xff"):
        np.savez(file, **arrays | {part: np.frombuffer(content, np.uint8)})
        with pytest.raises(StudyError, match="views.npz holds no views") as raised:
            (views.about if part == "about" else views.load)(file)
        assert "\n" not in str(raised.value)
