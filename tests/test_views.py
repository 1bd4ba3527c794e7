"""Views are computed once, cached by content, and equal for any number of processes."""

import os
import struct
import subprocess
import sys
import time
import zlib

import joblib
import moving_face
import numpy as np
import pytest

from mer_utils import cli, paths
from mer_utils.corpora import Corpus
from mer_utils.errors import StudyError
from mer_utils.preprocessing import definitions, faces, motion, views

NAMES = views.VIEWS


@pytest.fixture(scope="module")
def clips() -> dict[str, moving_face.Clip]:
    clips = {f"pair{i}": moving_face.clip(40 + i, 2.0, 1.0) for i in range(3)}
    clips["film"] = moving_face.clip(50, 2.5, 1.0, frames=15, apex=9)
    return clips


@pytest.fixture
def corpus(tmp_path, clips) -> Corpus:
    return moving_face.corpus(tmp_path / "moving", clips, spot=("film",))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    return paths.CACHE


@pytest.fixture(scope="module")
def first(tmp_path_factory, clips) -> views.Views:
    """The views, computed once in this process for the tests that only look at them."""
    folder = tmp_path_factory.mktemp("first")
    before, paths.CACHE = paths.CACHE, folder / "cache"
    try:
        corpus = moving_face.corpus(folder / "moving", clips, spot=("film",))
        return views.compute(corpus, NAMES, jobs=1, progress=False)
    finally:
        paths.CACHE = before


def same(a: views.Views, b: views.Views) -> bool:
    return a.arrays.keys() == b.arrays.keys() and all(
        np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays
    )


def test_the_table_has_every_view_that_frames_offer():
    assert set(definitions.VIEWS) == set(views.VIEWS)


def test_shapes_and_types_are_the_contract(first):
    shapes = {name: (array.shape, array.dtype) for name, array in first.arrays.items()}
    assert shapes == {
        "flow": ((4, 3, 28, 28), np.float32),
        "flow_legacy": ((4, 3, 28, 28), np.float32),
        "flow_centred": ((4, 3, 28, 28), np.float32),
        "flow_centred_2": ((4, 3, 28, 28), np.float32),
        "landmarks": ((4, 68, 2), np.float32),
        "frames": ((4, 2, 128, 128), np.uint8),
        "video": ((4, 10, 128, 128), np.uint8),
        "keyframes": ((4, 11, 128, 128), np.uint8),
        "keyframe_points": ((4, 11, 68, 2), np.float32),
        "rise": ((4, 11, 128, 128), np.uint8),
        "rise_points": ((4, 11, 68, 2), np.float32),
        "points": ((4, 2, 68, 2), np.float32),
    }
    assert not len(first.exclusions)
    assert list(first.clips["subject"]) == ["sub01", "sub02", "sub03", "sub04"]


def test_flow_and_landmarks_are_true(first, clips):
    """Against what the clips were made with: in pixels of the face, on the grid's cells."""
    for i, (name, clip) in enumerate(clips.items()):
        matrix = faces.alignment(clip.points)
        t = int(first.clips["apex"][i]) - 1
        truth = moving_face.on_face(clip.course[t] * clip.expression, matrix)
        onto = motion.on_grid(truth)
        flow = first.arrays["flow"][i]
        inside = motion.on_grid(motion.face_mask(faces.move(clip.points, matrix), 128)[None] * 1.0)
        inside = inside[0] > 0.99
        error = np.hypot(*(flow[:2] - onto))[inside].mean()
        assert error < 0.35 * np.hypot(*onto)[inside].mean(), name
        assert np.corrcoef(flow[2][inside], motion.channels(truth)[2][inside])[0, 1] > 0.8
        points = np.asarray(clip.points)
        skin = clip.flow(t)
        rounded = np.rint(points).astype(int).clip(0, (moving_face.WIDTH - 1, 299))
        there = points + skin[:, rounded[:, 1], rounded[:, 0]].T
        expected = faces.move(there, matrix) * 28 / 128
        assert np.linalg.norm(first.arrays["landmarks"][i] - expected, axis=1).mean() < 0.5


def test_video_goes_from_onset_to_offset_in_even_steps(first, clips):
    for i, clip in enumerate(clips.values()):
        video, frames = first.arrays["video"][i], first.arrays["frames"][i]
        np.testing.assert_array_equal(video[0], frames[0])
        course = np.interp(np.linspace(0, len(clip.course) - 1, 10), range(len(clip.course)),
                           clip.course)  # fmt: skip
        change = np.abs(video.astype(float) - frames[0]).mean((1, 2))
        assert np.corrcoef(change, np.abs(course))[0, 1] > 0.9


def test_the_apex_is_spotted_where_the_sheet_has_none(first, clips):
    assert list(first.clips["apex_source"]) == ["sheet", "sheet", "sheet", "spotted"]
    assert str(first.clips["apex"].dtype) == "Int64"
    assert abs(int(first.clips["apex"][3]) - (clips["film"].apex + 1)) <= 3


def test_two_processes_give_the_same_as_one(corpus, cache, first):
    assert same(views.compute(corpus, NAMES, jobs=2, progress=False), first)


def test_the_second_call_only_hashes(corpus, cache, monkeypatch):
    views.compute(corpus, ("flow", "landmarks"), jobs=1, progress=False)

    def fail(*arguments, **options):
        raise AssertionError("computed again")

    for name in ("landmarks", "detect", "align"):
        monkeypatch.setattr(faces, name, fail)
    monkeypatch.setattr(joblib, "Parallel", fail)
    began = time.perf_counter()
    again = views.compute(corpus, ("flow", "landmarks"), progress=False)
    assert time.perf_counter() - began < 5.0  # a busy machine; 0.05 s alone
    assert again.arrays["flow"].any()


def test_the_cache_goes_by_content(corpus, cache, monkeypatch):
    """A moved corpus is found again; another method or version is computed anew."""
    before = views.compute(corpus, ("flow",), jobs=1, progress=False)
    moved = corpus.path.parent / "elsewhere"
    corpus.path.rename(moved)
    clips = corpus.clips.assign(
        frames=corpus.clips["frames"].str.replace(str(corpus.path), str(moved))
    )
    corpus = Corpus(corpus.name, moved, clips, *list(vars(corpus).values())[3:])
    files = {file: file.stat().st_mtime_ns for file in cache.rglob("*.npz")}
    assert same(views.compute(corpus, ("flow",), jobs=1, progress=False), before)
    assert files == {file: file.stat().st_mtime_ns for file in cache.rglob("*.npz")}

    other = views.compute(corpus, ("flow",), jobs=1, progress=False, flow_method="farneback")
    assert not np.array_equal(other.arrays["flow"], before.arrays["flow"])
    monkeypatch.setattr(motion, "VERSION", motion.VERSION + 1)
    views.compute(corpus, ("flow",), jobs=1, progress=False)
    assert len(list((cache / "flow").rglob("*.npz"))) == 3 * len(clips)


def test_a_damaged_cache_file_is_warned_about_and_made_again(corpus, cache):
    before = views.compute(corpus, ("flow",), jobs=1, progress=False)
    cut, changed, *_ = sorted((cache / "flow").rglob("*.npz"))
    cut.write_bytes(cut.read_bytes()[:500])
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 0xFF
    changed.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged.*made again") as warned:
        after = views.compute(corpus, ("flow",), jobs=1, progress=False)
    assert {str(cut), str(changed)} == {str(w.message).split()[0] for w in warned}
    assert same(after, before)
    assert not list(cache.rglob("*.part"))


def test_a_pickle_in_the_cache_is_not_opened(corpus, cache):
    views.compute(corpus, ("landmarks",), jobs=1, progress=False)
    file = next((cache / "points").rglob("*.npz"))
    np.savez(file.with_suffix(""), value=np.array([{"a": 1}], dtype=object))
    with pytest.warns(UserWarning, match="damaged"):
        views.compute(corpus, ("landmarks",), jobs=1, progress=False)


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path, cache, clips):
    import cv2

    names = ["complete", "faceless", "black", "cut", "empty", "text", "missing", "png"]
    names += ["dot", "strip", "bomb", "other size"]
    copies = dict(zip(names, [clips[f"pair{i % 3}"] for i in range(len(names))], strict=True))
    corpus = moving_face.corpus(tmp_path / "broken", copies)
    folder = {row.clip: row.frames for row in corpus.clips.itertuples()}
    column = np.tile(np.linspace(0, 255, 360).astype(np.uint8), (300, 1))
    cv2.imwrite(f"{folder['faceless']}/img2.jpg", column)
    cv2.imwrite(f"{folder['black']}/img2.jpg", np.zeros((300, 360), np.uint8))
    for name, size in (("dot", (1, 1)), ("strip", (20, 60000)), ("other size", (300, 400))):
        os.remove(f"{folder[name]}/img2.jpg")
        cv2.imwrite(f"{folder[name]}/img2.png", np.resize(column, size))
    os.remove(f"{folder['bomb']}/img2.jpg")
    with open(f"{folder['bomb']}/img2.png", "wb") as file:
        file.write(png_of_zeros(30_000, 30_000))
    with open(f"{folder['cut']}/img1.jpg", "r+b") as file:
        file.truncate(9000)
    open(f"{folder['empty']}/img2.jpg", "wb").close()
    with open(f"{folder['text']}/img1.jpg", "w") as file:
        file.write("this is no image\n" * 99)
    os.remove(f"{folder['missing']}/img2.jpg")
    os.remove(f"{folder['png']}/img2.jpg")
    cv2.imwrite(f"{folder['png']}/img2.png", copies["png"].frames[1])
    with open(f"{folder['png']}/img2.png", "r+b") as file:
        file.truncate(20000)

    usable = views.compute(corpus, ("flow",), jobs=1, progress=False)
    assert list(usable.clips["clip"]) == ["complete"]
    assert usable.arrays["flow"].shape == (1, 3, 28, 28)
    reasons = dict(zip(usable.exclusions["clip"], usable.exclusions["reason"], strict=True))
    sides = "and its onset 360x300: the frames of a clip are of one size"
    assert reasons == {
        "faceless": "no face found in apex frame img2.jpg",
        "cut": "img1.jpg is cut off: copy it again",
        "empty": "img2.jpg is an empty file: copy it again",
        "text": "img1.jpg is no image that OpenCV can decode: copy it again",
        "missing": "offset frame 2 is not in missing, which holds 1 to 1",
        "png": "img2.png is cut off: copy it again",
        "black": "apex frame img2.jpg is blank: it has no contrast",
        "dot": f"img2.png has 1x1 pixels {sides}",
        "strip": f"img2.png has 60000x20 pixels {sides}",
        "bomb": "img2.png is 30000x30000 pixels, no frame of a face: copy it again",
        "other size": f"img2.png has 400x300 pixels {sides}",
    }
    # that no face is found is cached too
    again = views.compute(corpus, ("flow",), jobs=1, progress=False)
    assert again.exclusions.equals(usable.exclusions)
    with pytest.raises(StudyError, match="no clip of moving can be used.*no face found"):
        views.compute(only(corpus, "faceless"), ("flow",), jobs=1, progress=False)


def png_of_zeros(width: int, height: int) -> bytes:
    """A file of some kilobytes that would take width x height bytes of memory."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes((width + 1) * 100)) for _ in range(height // 100))
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)}
    parts |= {b"IDAT": rows + packer.flush(), b"IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts.items():
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    return content


def only(corpus: Corpus, clip: str) -> Corpus:
    rows = corpus.clips[corpus.clips["clip"] == clip]
    return Corpus(corpus.name, corpus.path, rows, *list(vars(corpus).values())[3:])


def test_unknown_and_missing_views_are_refused(corpus, cache):
    with pytest.raises(StudyError, match="'flows' is not known, the nearest is 'flow'"):
        views.compute(corpus, ("flows",))
    with pytest.raises(StudyError, match="'tvl' is not known, the nearest is 'tvl1'"):
        views.compute(corpus, ("flow",), flow_method="tvl")


def test_flow_images_become_views(megc2019_folder):
    from mer_utils import corpora

    corpus = corpora.load("megc2019_flow", megc2019_folder)
    arrays = views.compute(corpus, ("flow_legacy", "landmarks"), progress=False).arrays
    flow, points = arrays["flow_legacy"], arrays["landmarks"]
    assert flow.shape == (442, 3, 28, 28) and points.shape == (442, 68, 2)
    assert (flow.min(axis=(2, 3)) == 0).all() and (flow.max(axis=(2, 3)) == 255).all()
    # strain is never negative and mostly small; u and v have their zero in between
    assert np.median(flow[:, 2]) < 60 < np.median(flow[:, 0])
    mean = points.mean(axis=0)
    assert mean[36, 0] < 5 < 23 < mean[45, 0] and mean[8, 1] > 26
    with pytest.raises(StudyError, match="megc2019_flow has no view 'flow': it offers"):
        views.compute(corpus, ("flow",))


def test_a_file_of_views_travels(first, tmp_path, capsys):
    """A training machine reads what was saved, without OpenCV, dlib or pickle."""
    file = views.save(first, tmp_path / "moving.npz")
    back = views.load(file)
    assert same(back, first)
    assert back.clips.equals(first.clips.assign(frames=""))  # folders stay private
    assert cli.main(["train", "majority", "--data", str(file)]) == 2
    assert "moving.npz does not name its corpus" in capsys.readouterr().err
    for name, content in (("none.npz", None), ("noise.npz", b"noise"), ("half.npz", b"PK\3\4half")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(StudyError, match=f"{name} holds no views"):
            views.about(tmp_path / name)
    views.save(first, file, "own-3", ("no", "yes"))
    assert views.about(file) == ("own-3", ("no", "yes"))
    assert (back.clips.dtypes == first.clips.dtypes).all()
    assert back.exclusions.equals(first.exclusions)
    script = (
        "import sys\n"
        "for name in ('cv2', 'dlib', 'skimage', 'tqdm', 'torch'): sys.modules[name] = None\n"
        "from mer_utils.preprocessing import views\n"
        f"print(len(views.load({str(file)!r}).arrays['flow']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "4", done.stderr
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(StudyError, match=r"other.npz holds no views"):
        views.load(tmp_path / "other.npz")
