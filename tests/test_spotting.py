"""What moves in a film is found where it was put; a still face gives nothing; errors are told."""

import importlib.util

import cv2
import numpy as np
import pytest

from mer_utils import paths
from mer_utils.errors import StudyError
from mer_utils.preprocessing import spotting
from mer_utils.synthetic import films as made_films
from mer_utils.synthetic.plan import LAYOUTS

SPEC = importlib.util.spec_from_file_location("spot", paths.ROOT / "benchmarks" / "spotting.py")
PERSON = LAYOUTS[0], "06"  # set no threshold


def folder(place, frames):
    place.mkdir(parents=True)
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(place / f"{number:04d}.bmp"), frame)
    return place


def video(place, frames, fps=30.0):
    code, size = cv2.VideoWriter_fourcc(*"MJPG"), frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(place), code, fps, size, False)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return place


@pytest.fixture(scope="module")
def clip():
    return made_films.short(*PERSON, seed=3)


@pytest.fixture(scope="module")
def found(clip, tmp_path_factory):
    return spotting.search(folder(tmp_path_factory.mktemp("film") / "smile", clip.frames))


def test_a_short_clip_is_one_expression(clip, found):
    assert len(found.intervals) == 1
    interval = found.intervals.iloc[0]
    onset, apex, offset = clip.events[0]
    assert abs(interval["onset"] - onset) <= 3
    assert abs(interval["apex"] - apex) <= 3
    assert abs(interval["offset"] - offset) <= 4
    assert interval["seen"] and interval["movement"] > spotting.FACTOR * found.still
    assert (found.name, found.count, found.fps) == ("smile", len(clip.frames), None)
    assert found.course["frame"].tolist() == list(range(1, len(clip.frames) + 1))
    assert interval[["onset_seconds", "offset_seconds"]].isna().all()
    assert any("frame rate is not known" in sentence for sentence in found.quality)


def test_in_a_still_clip_nothing_is_seen(tmp_path):
    still = made_films.short(*PERSON, seed=4, moves=False)
    film = spotting.search(folder(tmp_path / "still", still.frames))
    assert film.intervals.empty and list(film.intervals) == [*spotting.COLUMNS, "movement", "seen"]
    given = spotting.search(tmp_path / "still", onset=2, apex=8, offset=15).intervals
    assert given.iloc[0, :3].tolist() == [2, 8, 15]
    assert not given["seen"].any()


def test_a_head_that_sways_moves_no_skin(tmp_path):
    still = made_films.long(LAYOUTS[0], "01", 1, count=130, events=0)
    film = spotting.search(folder(tmp_path / "sway", still.frames))
    assert film.intervals.empty and film.course["movement"].max() < film.still


def test_a_film_does_not_tell_an_expression_from_the_return_of_one(clip, tmp_path):
    def doubts(name, frames, fps, **given):
        film = spotting.search(video(tmp_path / name, frames, fps), **given)
        return [sentence for sentence in film.quality if "does not tell" in sentence]

    assert not doubts("fast.avi", clip.frames, 100)
    assert len(doubts("slow.avi", clip.frames, 30)) == 1  # longer than a micro-expression
    assert len(doubts("half.avi", clip.frames[: clip.events[0][1] + 1], 100)) == 1  # stays
    assert not doubts("known.avi", clip.frames, 30, onset=1)


def test_given_frames_are_kept(clip, tmp_path):
    place, apex = folder(tmp_path / "clip", clip.frames), clip.events[0][1]
    given = spotting.search(place, apex=apex).intervals.iloc[0]
    assert given["apex"] == apex and given["seen"]
    assert given["onset"] < apex < given["offset"]
    with pytest.raises(StudyError, match="holds frames 1 to"):
        spotting.search(place, apex=900)
    with pytest.raises(StudyError, match="in order of time"):
        spotting.search(place, onset=9, apex=4)


def test_expressions_of_a_long_film_are_found_and_a_faceless_stretch_is_cut(tmp_path, capsys):
    made = made_films.long(*PERSON, seed=5, count=120, events=2)
    black = [np.zeros_like(made.frames[0])] * 20
    place = video(tmp_path / "film.avi", made.frames + black)
    film = spotting.search(place, progress=True)
    assert film.fps == 30
    assert "140/140" in capsys.readouterr().err
    assert len(film.intervals) == 2
    for (onset, _, offset), row in zip(made.events, film.intervals.itertuples(), strict=True):
        assert onset - 5 <= row.onset < row.apex < row.offset <= offset + 5
        assert row.apex_seconds == pytest.approx((row.apex - 1) / 30)
    assert film.course["movement"].isna().sum() == 20
    told = " ".join(film.quality)
    assert "20 of its 140 frames are blank" in told
    assert "in frames 121 to 140 (4.0 to 4.6 s)" in told
    assert "30 frames per second" in told
    with pytest.raises(StudyError, match="not show one face in all frames from 110 to 130"):
        spotting.search(place, apex=110, offset=130)


def test_what_is_no_film_is_told_in_one_sentence(clip, tmp_path):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), clip.frames[0])
    wall = np.random.default_rng(0).integers(0, 255, (20, 100, 100), np.uint8)
    cases = {
        tmp_path / "empty": "empty holds no frames",
        tmp_path / "nowhere.mp4": "nowhere.mp4 is not there",
        broken: "broken.mp4 is no video that OpenCV can open",
        photo: "photo.png is a single image",
        folder(tmp_path / "one", clip.frames[:1]): "one has too few frames, 1",
        folder(tmp_path / "wall", list(wall)): "wall shows no face",
    }
    for place, sentence in cases.items():
        with pytest.raises(StudyError, match=sentence) as error:
            spotting.search(place)
        assert "\n" not in str(error.value)


def test_two_people_are_told_and_the_larger_is_read(clip, tmp_path):
    small = [cv2.resize(frame, None, fx=0.8, fy=0.8) for frame in clip.frames]
    wide = [np.pad(s, ((0, len(f) - len(s)), (0, 0)), mode="edge") for f, s in zip(
        clip.frames, small, strict=True)]  # fmt: skip
    pair = [np.hstack(both) for both in zip(clip.frames, wide, strict=True)]
    film = spotting.search(folder(tmp_path / "pair", pair))
    assert any(sentence.startswith("A second face is in 1 of 1") for sentence in film.quality)


@pytest.mark.slow
def test_still_and_true_clips_of_persons_that_set_no_threshold(tmp_path):
    spot = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(spot)
    still, true, errors, _ = spot.clips(1, 13, tmp_path)
    assert len(still) > 100
    assert np.mean(still > 0) <= 0.05
    assert np.mean(true == 0) <= 0.10
    assert (np.median(np.abs(errors), axis=0) <= (2, 2, 2)).all()


@pytest.mark.slow
def test_intervals_of_long_films_of_persons_that_set_no_threshold(tmp_path):
    spot = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(spot)
    right, found, put_in, _ = spot.long_films(1, 600, tmp_path)
    assert 2 * right / (found + put_in) > 0.8
