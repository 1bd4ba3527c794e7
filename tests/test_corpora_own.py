"""A laboratory's own csv: folders of frames, videos, and every mistake named with its line."""

import cv2
import moving_face
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_utils import cli, corpora, paths
from mer_utils.corpora import frames, own
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
    assert "lines 2 and 5: 01/smile and 01/smile are one clip: correct one" in text
    assert "line 6 has no subject: fill it in" in text and "line 7 has no path" in text
    many = [f"{n},a,what,1,2,3,x" for n in range(9)]
    with pytest.raises(StudyError, match="and 4 more such"):
        corpora.load("own", write(tmp_path, many))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (HEAD.replace("onset", "onsett"), "has no column 'onset'; the nearest is 'onsett'"),
        (HEAD + ",clip", "has the column 'clip' twice"),
        (HEAD.replace(",path", ""), r"'path' \(it has subject, .*, offset\): its first line"),
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
    with pytest.raises(StudyError, match=r"has more than one sheet, a\.csv and b\.csv"):
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
    write(tmp_path, [ROWS[0], f"01,bad,negative,{cells}"])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "some.mp4").write_bytes(b"x")
    (tmp_path / "hollow").mkdir()
    corpus = corpora.load("own", tmp_path)
    assert len(corpus.clips) == 1
    (reason,) = reasons(corpus)
    assert reason.startswith("clips.csv line 3: ") and told.replace(r"\\", "\\") in reason


def test_frames_per_second_that_are_none(tmp_path):
    rows = [f"{row},{fps}" for row, fps in zip(ROWS, ("inf", "-5", "fast"), strict=True)]
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


# --- one person, one clip, one recording ----------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("s1", "s01"),
        ("sub1", "sub01"),
        ("sub1", "S 1"),
        ("1", "1.0"),
        ("1", "\uff11"),  # a full-width digit
        ("\u0663", "3"),  # an Arabic one
        ("P1", "p1"),
        ("006", "6"),
        ("p  1", "p 1"),
        ("p_1", "p-1"),
        ("p1", "p\u20131"),  # a dash
        ("p1.", "p1"),
        ("Jos\u00e9", "Jose\u0301"),
        ("anna maria", "Anna-Maria"),
        ("1_2", "1-02"),
    ],
)
def test_two_spellings_of_one_person_are_refused(tmp_path, one, two):
    rows = ["007,smile,surprise,1,5,9,frames/007/smile"]
    rows += [f"{name},c{n},negative,{n},30,55,v{n}" for n, name in enumerate((one, two), start=1)]
    with pytest.raises(StudyError, match="lines 3 and 4: .* read as one person: correct one") as e:
        corpora.load("own", write(tmp_path, rows))
    assert f"'{one}' and '{two}'" in str(e.value)


@pytest.mark.parametrize(
    ("one", "two"), [("p1", "p2"), ("1_2", "12"), ("1.5", "1.50"), ("p1", "s1"), ("10", "1")]
)
def test_two_people_stay_two(tmp_path, one, two):
    rows = [f"{one},a,negative,1,30,55,frames/01/smile", f"{two},a,positive,1,5,9,frames/01/frown"]
    assert len(corpora.load("own", write(tmp_path, rows)).clips) == 2


def test_one_recording_of_two_people_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "frames/01/smile")
    for path in (
        "frames/01/smile",
        "frames//01/../01/smile/",
        tmp_path / "frames/01/smile",
        "link",
    ):
        write(tmp_path, [ROWS[0], f"02,other,negative,1,2,3,{path}"])
        with pytest.raises(StudyError, match="lines 2 and 3: 01 and 02 have one recording"):
            corpora.load("own", tmp_path)
    write(tmp_path, [ROWS[0], "01,again,negative,12,30,55,frames/01/smile"])
    with pytest.raises(StudyError, match="smile and again are the same frames of frames/01/smile"):
        corpora.load("own", tmp_path)
    write(tmp_path, [ROWS[0], "01,Smile.,negative,1,2,3,frames/01/frown"])
    with pytest.raises(StudyError, match="01/smile and 01/Smile. are one clip"):
        corpora.load("own", tmp_path)
    write(tmp_path, [ROWS[0], "01,later,negative,56,57,59,frames/01/smile"])  # of a longer film
    assert len(corpora.load("own", tmp_path).clips) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a" * 65, "is longer than 64 letters"),
        ("\u4e00" * 22, "is longer than 64 letters"),
        ("p\u200b1", r"holds a character that cannot be read \(U\+200B\)"),
        ("p\u00a01", r"\(U\+00A0\)"),
        ("p\x071", r"\(U\+0007\)"),
        ("\ufffd1", r"\(U\+FFFD\)"),
        ("a/b", "holds / or "),
        ("..", "which name folders"),
        (r"a\b", "holds / or "),
        ("=1+1", "begins with =, which a spreadsheet takes for a formula"),
        ("-1", "begins with -"),
    ],
)
def test_what_cannot_be_a_name_is_refused_at_once(tmp_path, name, told):
    for row in (f"{name},a,negative,1,2,3,x", f"01,{name},negative,1,2,3,x"):
        if len(name) in (65, 22) and row.startswith("01"):
            continue  # a clip's may be longer
        with pytest.raises(StudyError, match=f"line 2: .*{told}.*: give it another name"):
            corpora.load("own", write(tmp_path, [row]))


# --- classes --------------------------------------------------------------------------------------


def test_names_of_classes_may_hold_a_dash(tmp_path):
    rows = [row.replace("positive", "non-micro").replace("surprise", "Micro") for row in ROWS]
    write(tmp_path, [row.replace("negative", "micro") for row in rows])
    for name in ("own-non-micro,micro", "own-non-micro,micro-midpoint"):
        corpus = corpora.load(name, tmp_path)
        assert corpus.name == name and corpus.classes == ("non-micro", "micro")
        assert corpora.title(name).startswith("Your own clips, non-micro,micro")
    assert sorted(corpus.clips["label"]) == ["micro", "non-micro"]
    assert corpora.load("own", tmp_path, classes="non-micro,micro").name == "own-non-micro,micro"


@pytest.mark.parametrize(
    "name",
    ["a/b", "../../X", "<a>", "a\nb", ".", "a.", "x-midpoint", "sheet", "a:b", "a*", "\u200b"],
)
def test_classes_that_cannot_be_names_are_refused(tmp_path, name):
    for corpus, classes in ((f"own-{name},c", None), ("own", f"c,{name}")):
        with pytest.raises(StudyError, match="cannot be a name: write letters, digits"):
            corpora.load(corpus, tmp_path, classes=classes)
    with pytest.raises(StudyError, match="100 are possible: shorten them"):
        corpora.named("own-" + ",".join(30 * letter for letter in "abcd"))
    with pytest.raises(StudyError, match="each once"):
        corpora.named("own-Happy,happy")


def test_labels_in_any_case_and_how_to_name_other_classes(tmp_path):
    rows = [row.replace("positive", "Positive").replace("negative", "NEGATIVE") for row in ROWS]
    corpus = corpora.load("own", write(tmp_path, rows))
    assert sorted(corpus.clips["label"]) == ["negative", "positive", "surprise"]
    rows = [row.replace("positive", "Disgust").replace("negative", "happiness") for row in ROWS]
    with pytest.raises(StudyError) as error:
        corpora.load("own", write(tmp_path, rows))
    text = str(error.value)
    assert text.endswith("or name your classes: --corpus own-Disgust,happiness,surprise")
    assert "nearest" not in text
    rows = [row.replace("positive", "postive") for row in ROWS]
    with pytest.raises(StudyError, match=r"correct it \(nearest 'positive'\)$"):
        corpora.load("own", write(tmp_path, rows))


# --- as spreadsheets write it ---------------------------------------------------------------------


@pytest.mark.parametrize("sign", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_as_spreadsheets_save_it(tmp_path, sign, encoding):
    write(tmp_path)
    text = (tmp_path / "clips.csv").read_text().replace("smile,", "\u7b11,").replace(",", sign)
    text = text.replace("\n", "\r\n")
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (tmp_path / "clips.csv").write_bytes(mark + text.encode(encoding))
    corpus = corpora.load("own", tmp_path)
    assert sorted(corpus.clips["clip"]) == ["frown", "\u7b11", "\u7b11"]


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "utf-16-le"])
def test_an_encoding_is_never_guessed(tmp_path, encoding):
    write(tmp_path)
    name = {"cp1252": "\u00e9t\u00e9,", "gbk": "\u60ca\u8bb6,"}.get(encoding, "frown,")
    text = (tmp_path / "clips.csv").read_text().replace("frown,", name)
    (tmp_path / "clips.csv").write_bytes(text.encode(encoding))
    line = 1 if encoding == "utf-16-le" else 3
    with pytest.raises(StudyError, match=rf"clips\.csv line {line} is not text in UTF-8: save"):
        corpora.load("own", tmp_path)


def test_a_workbook_and_a_workbook_under_another_name(tmp_path):
    write(tmp_path)
    grid = [line.split(",") for line in (tmp_path / "clips.csv").read_text().splitlines()]
    (tmp_path / "clips.csv").unlink()
    with pd.ExcelWriter(tmp_path / "clips.xlsx") as book:
        pd.DataFrame([["about"]]).to_excel(book, sheet_name="read me", header=False, index=False)
        table = pd.DataFrame([[int(c) if c.isdecimal() else c for c in cells] for cells in grid])
        table.to_excel(book, sheet_name="clips", header=False, index=False)
    corpus = corpora.load("own", tmp_path)
    assert list(corpus.clips["subject"]) == ["1", "1", "7"] and len(corpus.exclusions) == 0
    (tmp_path / "clips.xlsx").rename(tmp_path / "clips.csv")
    assert len(corpora.load("own", tmp_path / "clips.csv").clips) == 3


def test_breaks_quotes_and_separators_in_cells(tmp_path):
    head = HEAD + ",note"
    rows = [f'{ROWS[0]},"seen; twice\r\nand again"', f"{ROWS[1]},a\u2028b", ROWS[2]]
    corpus = corpora.load("own", write(tmp_path, rows, head))
    assert list(corpus.clips["note"]) == ["", "a\u2028b", "seen; twice and again"]
    rows = [*rows[:1], "01,frown,wrong,3,,,frames/01/frown,"]
    with pytest.raises(StudyError, match="line 4: label 'wrong'"):  # as an editor counts them
        corpora.load("own", write(tmp_path, rows, head))
    with pytest.raises(StudyError, match="from line 2 on .*: is a quote missing"):
        corpora.load("own", write(tmp_path, ['"01,smile,positive,12,30,55,frames/01/smile']))


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "nan", "-", "None", "", "#N/A", "<NA>"])
def test_words_for_a_frame_that_was_not_coded(tmp_path, word):
    rows = [f"01,smile,positive,12,{word},{word},frames/01/smile,{word}"]
    (clip,) = corpora.load("own", write(tmp_path, rows, HEAD + ",fps")).clips.itertuples()
    assert clip.apex is pd.NA and clip.offset is pd.NA and pd.isna(clip.fps)


@pytest.mark.parametrize("time", ["0.52", "0,52", "0:01.5", "12.5", "520ms", "1.2 s"])
def test_a_table_in_seconds_is_refused(tmp_path, time):
    rows = [ROWS[0], f'01,frown,negative,1.0,"{time}",3.0,frames/01/frown']
    with pytest.raises(StudyError, match="line 3: apex '.*' is a time: write frame numbers in all"):
        corpora.load("own", write(tmp_path, rows))


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
        grey = frame.decode()
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
    for name in ("clip.avi", "copy.avi"):
        write_video(tmp_path / name, made.frames)
    rows = [
        "01,f,positive,1,6,9,frames",
        "02,v,negative,1,6,9,clip.avi",
        "03,s,surprise,1,,,copy.avi",
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


def test_a_video_that_ends_before_its_offset_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    for number in (1, 2):
        write_video(tmp_path / f"{number}.avi", moving_face.clip(3, frames=9, apex=5).frames)
    rows = ["01,f,positive,1,6,9,1.avi", "02,v,negative,1,6,10,2.avi"]
    (tmp_path / "clips.csv").write_text("\n".join([HEAD, *rows]))
    found = views.compute(corpora.load("own", tmp_path), ("flow",), jobs=1, progress=False)
    assert list(found.clips["clip"]) == ["f"]
    assert list(found.exclusions["reason"]) == [
        "offset frame 10 is not in 2.avi, which holds 1 to 9"
    ]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.m4v", "mp4v"), ("a.MTS", "mp4v"), ("a.3gp", "mp4v"), ("a.flv", "FLV1"), ("a.ts", "mp4v")],
)
def test_a_video_that_opencv_reads_is_one(tmp_path, name, codec):
    write_video(tmp_path / name, bars(15), codec)
    write(tmp_path, [f"01,a,positive,1,,,{name}"])
    assert len(corpora.load("own", tmp_path).clips) == 1
    assert list(images.files(tmp_path / name)) == list(range(1, 16))


class Undecoded:
    """What OpenCV makes of a video whose codec it cannot decode, as AV1 here."""

    def __init__(self, path):
        pass

    def get(self, what):
        return float(cv2.VideoWriter_fourcc(*"av01")) if what == cv2.CAP_PROP_FOURCC else 0.0

    def isOpened(self):  # named by OpenCV
        return True

    def grab(self):
        return False


def test_a_codec_that_cannot_be_decoded_is_named(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Undecoded)
    with pytest.raises(
        StudyError, match=r"no frame that OpenCV can decode .*'av01'.* such as H.26"
    ):
        images.Video("a.mp4").count()


@pytest.mark.parametrize("kind", sorted(frames.IMAGES))
def test_a_frame_of_every_kind_is_decoded(tmp_path, kind):
    grey = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    image = grey if kind in (".pbm", ".pgm", ".pfm") else cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    content = cv2.imencode(kind, image)[1].tobytes()
    (tmp_path / f"7{kind}").write_bytes(content)
    (frame,) = images.files(tmp_path).values()
    assert frame.decode().shape == (32, 48)
    frame.path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(StudyError, match="copy it again"):
        frame.decode()


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
