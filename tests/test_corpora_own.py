"""A laboratory's own csv: folders of frames, videos, and every mistake named with its line."""

import cv2
import moving_face
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_utils import cli, corpora, paths
from mer_utils.corpora import own
from mer_utils.errors import StudyError
from mer_utils.preprocessing import images, views

JPG = cv2.imencode(".jpg", np.full((8, 8), 90, np.uint8))[1].tobytes()
HEAD = ",".join(own.REQUIRED)
ROWS = [
    "01,smile,positive,12,30,55,frames/01/smile",
    "01,frown,negative,3,,,frames/01/frown",
    "007,smile,surprise,1,5,9,frames/007/smile",  # a name may repeat, an id keeps its zeros
]


def write(root, rows=ROWS, head=HEAD, name="clips.csv"):
    for row in ROWS:
        folder = root / row.split(",")[-1]
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 60):
            (folder / f"f_{number:03d}.JPG").write_bytes(JPG)
    (root / name).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return root


def reasons(corpus):
    return list(corpus.exclusions["reason"])


def test_folders_of_frames(tmp_path):
    for path in (write(tmp_path), tmp_path / "clips.csv"):
        corpus = corpora.load("own", path)
        clips = corpus.clips.set_index(["subject", "clip"])
        assert list(clips.index) == [("007", "smile"), ("01", "frown"), ("01", "smile")]
        smile = clips.loc[("01", "smile")]
        assert (smile["onset"], smile["apex"], smile["offset"]) == (12, 30, 55)
        assert (smile["label"], smile["apex_source"], smile["corpus"]) == (
            "positive",
            "sheet",
            "own",
        )
        frown = clips.loc[("01", "frown")]
        assert frown["apex"] is pd.NA and frown["offset"] is pd.NA and frown["apex_source"] == ""
        assert corpora.frame_files(frown["frames"])[3].name == "f_003.JPG"
        assert corpus.path == tmp_path and len(corpus.exclusions) == 0
        assert corpus.views == corpora.FRAME_VIEWS and corpus.classes == corpora.CLASSES


def test_default_place(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RAW", tmp_path)
    write(tmp_path / "own")
    assert len(corpora.load("own").clips) == 3


@pytest.mark.parametrize("name", ["clips.csv", "mine.csv"])
def test_semicolons_marks_blank_lines_and_another_name(tmp_path, name):
    write(tmp_path, name=name)
    text = (tmp_path / name).read_text().replace(",", ";").replace("\n", "\r\n;;;\r\n")
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(corpora.load("own", tmp_path).clips) == 3


def test_optional_columns_and_those_nobody_reads(tmp_path):
    head = HEAD + ",emotion,action_units,fps,note,age"
    row = ROWS[0] + ",Joy,R6+12,90,seen twice,33"
    corpus = corpora.load("own", write(tmp_path, [row], head))
    clip = corpus.clips.iloc[0]
    assert (clip["emotion"], clip["action_units"], clip["fps"]) == ("joy", "R6+12", 90.0)
    assert clip["note"] == "seen twice"
    assert "columns not read: age" in corpus.sources


def test_own_classes(tmp_path):
    rows = [row.replace("positive", "joy").replace("negative", "fear") for row in ROWS]
    write(tmp_path, [row.replace("surprise", "joy") for row in rows])
    for classes in ("joy, fear", ("joy", "fear")):
        corpus = corpora.load("own", tmp_path, classes=classes)
        assert corpus.classes == ("joy", "fear")
        assert corpus.clips["label"].value_counts().to_dict() == {"joy": 2, "fear": 1}
    for wrong in ("joy", "joy,joy", "joy,", 5):
        with pytest.raises(StudyError, match="must be two names or more"):
            corpora.load("own", tmp_path, classes=wrong)
    with pytest.raises(StudyError, match=r"label 'joy' is none of negative, positive, surprise"):
        corpora.load("own", tmp_path)


def test_every_doubtful_line_is_named_at_once(tmp_path):
    rows = [*ROWS, "01,smile,postive,1,2,3,x", ",a,negative,1,2,3,x", "02,b,negative,1,2,3,"]
    with pytest.raises(StudyError) as error:
        corpora.load("own", write(tmp_path, rows))
    text = str(error.value)
    assert "\n" not in text
    assert "line 5: label 'postive' is none of negative, positive, surprise" in text
    assert "nearest 'positive'" in text
    assert "lines 2 and 5 are both clip 01/smile: rename or remove one" in text
    assert "line 6 has no subject: fill it in" in text and "line 7 has no path" in text
    many = [f"{n},a,what,1,2,3,x" for n in range(9)]
    with pytest.raises(StudyError, match="and 4 more such"):
        corpora.load("own", write(tmp_path, many))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (HEAD.replace("onset", "onsett"), "has no column 'onset'; the nearest is 'onsett'"),
        (HEAD + ",clip", "has the column 'clip' twice"),
        (HEAD.replace(",path", ""), "has no column 'path': its first line must be"),
    ],
)
def test_heads_that_cannot_be_used(tmp_path, head, told):
    with pytest.raises(StudyError, match=told):
        corpora.load("own", write(tmp_path, head=head))


def test_tables_that_cannot_be_used(tmp_path):
    write(tmp_path, [ROWS[0] + ",4,5"])
    with pytest.raises(StudyError, match="line 2 has 9 cells for 7 columns: put a cell"):
        corpora.load("own", tmp_path)
    (tmp_path / "clips.csv").write_text("")
    with pytest.raises(StudyError, match="is empty: its first line is subject,clip"):
        corpora.load("own", tmp_path)
    (tmp_path / "clips.csv").unlink()
    with pytest.raises(StudyError, match=r"has no clips\.csv: put clips\.csv there"):
        corpora.load("own", tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEAD)
    with pytest.raises(StudyError, match=r"has more than one csv, a\.csv and b\.csv"):
        corpora.load("own", tmp_path)
    with pytest.raises(StudyError, match=r"does not exist: put clips\.csv there"):
        corpora.load("own", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("12,30,55,frames/01/nothing", "path frames/01/nothing does not exist: correct it"),
        (r"12,30,55,frames\01\smile", r"and write / instead of \\"),
        ("12,30,55," + 300 * "x", "does not exist: correct it"),
        ("12,30,55,~nobody/smile", "path ~nobody/smile does not exist"),
        ("12,30,99,frames/01/smile", "offset frame 99 is not in 01/smile, which holds 59 frames"),
        (",30,55,frames/01/smile", "onset '' is not a frame number: correct the line"),
        ("12,x,55,frames/01/smile", "apex 'x' is not a frame number"),
        ("12,60,55,frames/01/smile", "apex 60 is after offset 55"),
        ("12,12,55,frames/01/smile", "apex is the onset"),
        ("12,30,55,clips.csv", "is neither a folder of frames nor a video"),
        ("12,30,55,empty.mp4", "empty.mp4 is an empty file: copy it again"),
        ("0,30,55,some.mp4", "onset 0: frames of a video are counted from 1"),
        ("1,2,3,hollow", "holds no images"),
    ],
)
def test_clips_left_out_with_their_line(tmp_path, cells, told):
    write(tmp_path, [ROWS[0], f"02,bad,negative,{cells}"])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "some.mp4").write_bytes(b"x")
    (tmp_path / "hollow").mkdir()
    corpus = corpora.load("own", tmp_path)
    assert len(corpus.clips) == 1
    (reason,) = reasons(corpus)
    assert reason.startswith("clips.csv line 3: ") and told.replace(r"\\", "\\") in reason


def test_frames_per_second_that_are_none(tmp_path):
    rows = [f"{row},{fps}" for row, fps in zip(ROWS, ("nan", "-5", "fast"), strict=True)]
    corpus = corpora.load("own", write(tmp_path, rows, HEAD + ",fps"))
    assert len(corpus.clips) == 0 and all("frames per second" in text for text in reasons(corpus))


def test_the_command_line(tmp_path, capsys):
    rows = [row.replace("surprise", "fear") for row in ROWS]
    write(tmp_path, rows)
    classes = "negative,positive,fear"
    assert cli.main(["corpora", "own", str(tmp_path / "clips.csv"), "--classes", classes]) == 0
    told = capsys.readouterr().out
    assert "3 clips" in told and "fear" in told
    assert cli.main(["corpora", "own", str(tmp_path)]) == 2
    assert "label 'fear' is none of" in capsys.readouterr().err


# --- videos ---------------------------------------------------------------------------------------


def write_video(file, frames, codec="MJPG"):
    height, width = frames[0].shape
    stream = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*codec), 25, (width, height))
    assert stream.isOpened()
    for frame in frames:
        stream.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    stream.release()


def bars(count, level=12):
    """Frame t (from 1) is grey t * level: its number can be read off it."""
    return [np.full((32, 48), t * level, np.uint8) for t in range(1, count + 1)]


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_frames_of_a_video_by_number_in_any_order(tmp_path, name):
    write_video(tmp_path / name, bars(15), "mp4v" if name.endswith("mp4") else "MJPG")
    before = (tmp_path / name).read_bytes()
    found = images.files(tmp_path / name)
    assert list(found) == list(range(1, 16))
    for number in (9, 2, 3, 15, 1):
        frame = found[number]
        grey = images.Frame(frame).image
        assert grey.shape == (32, 48) and abs(float(grey.mean()) - 12 * number) < 4
    assert frame.name == f"1 of {name}"
    assert (tmp_path / name).read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_videos_that_cannot_be_used(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"no video at all")
    with pytest.raises(StudyError, match=r"a\.avi is no video that OpenCV can open"):
        images.files(tmp_path / "a.avi")
    write_video(tmp_path / "b.avi", bars(5))
    with pytest.raises(StudyError, match=r"b\.avi ends at frame 5, before frame 9"):
        images.Video(tmp_path / "b.avi").grey(9)


def test_listing_opens_no_video(tmp_path):
    """What is no video at all is found only where frames are decoded, and said there."""
    (tmp_path / "a.mp4").write_bytes(b"not opened")
    write(tmp_path, ["01,a,positive,1,,,a.mp4"])
    corpus = corpora.load("own", tmp_path)
    assert len(corpus.clips) == 1
    with pytest.raises(StudyError, match=r"a\.mp4 is no video that OpenCV can open"):
        views.compute(corpus, ("frames",), jobs=1, progress=False)


def test_a_video_and_its_frames_give_the_same_views(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    made = moving_face.clip(3, amplitude=4.0, frames=9, apex=5)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(made.frames, start=1):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    write_video(tmp_path / "clip.avi", made.frames)
    rows = [
        "01,f,positive,1,6,9,frames",
        "02,v,negative,1,6,9,clip.avi",
        "03,s,surprise,1,,,clip.avi",
    ]
    (tmp_path / "clips.csv").write_text("\n".join([HEAD, *rows]))
    corpus = corpora.load("own", tmp_path)
    found = views.compute(corpus, ("frames", "flow", "video"), jobs=1, progress=False)
    assert list(found.clips["clip"]) == ["f", "v", "s"]
    still, film = found.arrays["frames"][:2].astype(float)
    assert np.abs(still - film).mean() < 4  # MJPG takes its share
    a, b = found.arrays["flow"][:2, :2]
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
    spotted = found.clips.set_index("clip").loc["s"]
    assert spotted["apex_source"] == "spotted" and abs(spotted["apex"] - 6) <= 1
    again = views.compute(corpus, ("frames", "flow", "video"), jobs=1, progress=False)
    np.testing.assert_array_equal(again.arrays["flow"], found.arrays["flow"])


# --- apex policies --------------------------------------------------------------------------------


def test_apex_policies_are_recorded(tmp_path):
    write(tmp_path)
    (tmp_path / "frames/01/smile/f_033.JPG").unlink()
    by = {policy: corpora.load("own", tmp_path, apex=policy) for policy in ("midpoint", "spotted")}
    middle = by["midpoint"].clips.set_index(["subject", "clip"])
    assert middle.loc[("01", "smile"), "apex"] == 34  # the middle of the frames that are there
    assert middle.loc[("007", "smile"), "apex"] == 5
    assert set(middle["apex_source"]) == {"midpoint"} and by["midpoint"].apex == "midpoint"
    (reason,) = reasons(by["midpoint"])
    assert reason.startswith("no offset is known, so that the clip has no midpoint")
    assert by["spotted"].clips["apex"].isna().all()
    assert set(by["spotted"].clips["apex_source"]) == {""}
    with pytest.raises(StudyError, match="apex 'middle' is not known, the nearest is 'midpoint'"):
        corpora.load("own", tmp_path, apex="middle")


def test_a_wrong_apex_harms_nobody_who_does_not_read_it(tmp_path):
    write(tmp_path, ["01,smile,positive,12,12,55,frames/01/smile"])
    assert len(corpora.load("own", tmp_path).clips) == 0
    for policy in ("midpoint", "spotted"):
        assert len(corpora.load("own", tmp_path, apex=policy).clips) == 1


# --- any table at all -----------------------------------------------------------------------------

CELLS = st.one_of(
    st.sampled_from(
        ["01", "smile", "positive", "12", "30", "55", "frames/01/smile", "", "clips.csv"]
    ),
    st.text(max_size=8),
    st.integers(-5, 10**20).map(str),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write(tmp_path_factory.mktemp("own"))


@settings(max_examples=600)
@given(st.lists(st.lists(CELLS, max_size=9), max_size=6), st.booleans())
def test_any_table_is_read_refused_or_explained(place, rows, headed):
    lines = ([HEAD] if headed else []) + [",".join(cells) for cells in rows]
    file = place / "any.csv"
    file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    try:
        corpus = corpora.load("own", file)
    except StudyError as error:
        assert "\n" not in str(error)
        return
    assert all("any.csv line " in reason for reason in reasons(corpus))
    for clip in corpus.clips.itertuples():
        assert clip.label in corpora.CLASSES and clip.frames.startswith(str(place))
        assert clip.onset in corpora.frame_files(clip.frames)
