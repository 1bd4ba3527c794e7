"""The MEGC2019 flow folder: its layouts, its lists, the real 442 clips, the official list."""

import re
import shutil
import struct
import sys
import types
import zlib
from pathlib import Path

import cv2
import drawn_face
import numpy as np
import pandas as pd
import pytest

from mer_utils import cli, corpora, experiments
from mer_utils.corpora import megc2019_flow, official
from mer_utils.errors import StudyError
from mer_utils.preprocessing import centring, views

CLIPS = [  # dataset, subject and clip as the circulating lists write them, label, image stem
    ("casme2", "sub01", "EP02_01f", 1, "sub01_EP02_01f"),
    ("casme2", "sub09", "EP09f", 1, "sub09_EP09f"),
    ("samm", "6", "006_1_2", 0, "006_006_1_2"),
    ("smic", "s01", "s01_ne_01", 0, "s01_s01_ne_01"),
    ("smic", "s20", "s20_sur_02", 2, "s20_s20_sur_02"),
]
HEADER = "dataset,sub,filename_o,label,apex,imagename,sub_filename"


def png(seed=0, shape=(28, 28, 3), dtype=np.uint8) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, shape).astype(dtype)
    return cv2.imencode(".png", image)[1].tobytes()


def write_flat(root: Path, clips=CLIPS, blank=" ") -> Path:
    folder = root / "STSNet_whole_norm_u_v_os"
    folder.mkdir(parents=True)
    for number, clip in enumerate(clips):
        (folder / f"{clip[4]}{blank}.png").write_bytes(png(number))
    rows = [f"{c[0]},{c[1]},{c[2]},{c[3]},,{c[1]}_{c[2]}.jpg," for c in clips]
    (root / "combined_3_class2_for_optical_flow.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


def write_split(root: Path, clips=CLIPS) -> Path:
    """Every subject's folder holds every clip, as 68 x 442 images circulate."""
    stems = {f"{clip[0]}/{clip[1]}": clip[4].split("_")[0] for clip in clips}
    for person, folder in stems.items():
        for number, clip in enumerate(clips):
            part = "u_test" if f"{clip[0]}/{clip[1]}" == person else "u_train"
            where = root / folder / part / str(clip[3])
            where.mkdir(parents=True, exist_ok=True)
            (where / f"{clip[4]} .png").write_bytes(png(number))
    return root


def keys(corpus) -> set[str]:
    clips = corpus.clips
    return set(clips["corpus"] + "/" + clips["subject"] + "/" + clips["clip"])


ALL = {"casme2/sub01/EP02_01f", "casme2/sub09/EP09f", "samm/006/006_1_2"} | {
    "smic/s01/s01_ne_01",
    "smic/s20/s20_sur_02",
}


def load(path):
    return corpora.load("megc2019_flow", path)


def reasons(corpus) -> dict[str, str]:
    return dict(zip(corpus.exclusions["clip"], corpus.exclusions["reason"], strict=True))


# --- layouts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [" ", ""])
def test_flat_layout(tmp_path, blank):
    corpus = load(write_flat(tmp_path, blank=blank))
    assert keys(corpus) == ALL
    assert len(corpus.exclusions) == 0
    assert corpus.views == ("flow_legacy", "flow_centred")
    first = corpus.clips.iloc[0]
    assert first["frames"].endswith(f"sub01_EP02_01f{blank}.png")
    assert first["onset"] is pd.NA and first["apex_source"] == "" and np.isnan(first["fps"])
    labels = dict(zip(corpus.clips["clip"], corpus.clips["label"], strict=True))
    assert labels["006_1_2"] == "negative" and labels["s20_sur_02"] == "surprise"


def test_image_folder_given_itself_with_the_list_beside_or_inside(tmp_path):
    folder = write_flat(tmp_path / "a") / "STSNet_whole_norm_u_v_os"
    assert keys(load(folder)) == ALL
    shutil.move(tmp_path / "a/combined_3_class2_for_optical_flow.csv", folder)
    assert keys(load(folder)) == ALL
    assert keys(load(tmp_path / "a")) == ALL


def test_split_layout_sees_every_clip_once(tmp_path):
    corpus = load(write_split(tmp_path / "three_norm_u_v_os"))
    assert keys(corpus) == ALL
    assert len(corpus.clips) == 5 and len(corpus.exclusions) == 0
    assert keys(load(tmp_path)) == ALL  # inside one parent


def test_a_clone_of_a_published_code(tmp_path):
    """HTNet: the list at its root, images two folders down, and pictures of its own."""
    write_flat(tmp_path / "datasets")
    write_split(tmp_path / "datasets/three_norm_u_v_os")
    (tmp_path / "datasets/combined_3_class2_for_optical_flow.csv").rename(
        tmp_path / "combined_3_class2_for_optical_flow.csv"
    )
    faces = tmp_path / "datasets/combined_datasets_whole"
    faces.mkdir()
    (faces / "sub01_EP02_01f.jpg").write_bytes(b"x")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/architecture.png").write_bytes(png(shape=(9, 99, 3)))
    (tmp_path / "MMEW_Micro_Exp_delete_others.csv").write_text("Subject,Filename\n1,S01-01-001\n")
    for path in (tmp_path, tmp_path / "datasets"):
        if path.name == "datasets":
            (tmp_path / "combined_3_class2_for_optical_flow.csv").rename(
                path / "combined_3_class2_for_optical_flow.csv"
            )
        corpus = load(path)
        assert keys(corpus) == ALL and len(corpus.exclusions) == 0
        assert corpus.sources[0].endswith("STSNet_whole_norm_u_v_os")
        assert "landmarks" in corpus.views


def test_flat_is_read_before_split_but_not_without_a_list(tmp_path):
    write_split(tmp_path / "three_norm_u_v_os")
    write_flat(tmp_path)
    assert "STSNet_whole_norm_u_v_os" in load(tmp_path).sources[0]
    (tmp_path / "combined_3_class2_for_optical_flow.csv").unlink()
    corpus = load(tmp_path)
    assert "three_norm_u_v_os" in corpus.sources[0] and keys(corpus) == ALL


def test_split_layout_with_two_labels_for_a_clip(tmp_path):
    root = write_split(tmp_path)
    (root / "006/u_train/1/s01_s01_ne_01 .png").write_bytes(png())
    told = "s01_ne_01 is negative in .*006/u_train/0/s01_.*, positive in .*006/u_train/1/s01_"
    with pytest.raises(StudyError, match=told):
        load(root)


def test_split_layout_against_its_list(tmp_path):
    root = write_split(tmp_path / "three_norm_u_v_os").parent
    (root / "combined_3class_gt.csv").write_text("smic,s01,s01_ne_01,2\n")
    with pytest.raises(StudyError, match="is surprise in .*_gt.csv, negative in .*/0/s01_s01_ne"):
        load(root)


def test_split_layout_with_a_strange_label_folder(tmp_path):
    root = write_split(tmp_path)
    (root / "006/u_train/0").rename(root / "006/u_train/3")
    with pytest.raises(StudyError, match="is no label folder: expected 0, 1 or 2"):
        load(root)


# --- the same clips by another pipeline ---------------------------------------------------------


@pytest.fixture
def official_list(tmp_path, monkeypatch):
    """CLIPS are the official list."""
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(f"{c[0]},{c[1]},{c[2]},{c[3]}" for c in CLIPS) + "\n")
    monkeypatch.setattr(official, "TABLE", tmp_path / "official.csv")
    official.write_table(listed)


@pytest.fixture
def pair(tmp_path, official_list):
    """Both corpora next to each other; the images of the second are the first's, upside down."""
    first = write_flat(tmp_path / "raw" / "megc2019_flow")
    second = write_flat(tmp_path / "raw" / "megc2019_flow_causal")
    for file in second.rglob("*.png"):
        image = cv2.imread(str(file))
        cv2.imwrite(str(file), image[::-1])
    return first, second


def causal(path):
    return corpora.load("megc2019_flow_causal", path)


def test_both_pipelines_are_views_of_the_same_clips(pair):
    first, second = load(pair[0]), causal(pair[1])
    same = ["corpus", "subject", "clip", "label"]
    pd.testing.assert_frame_equal(first.clips[same], second.clips[same])
    assert keys(second) == ALL
    assert first.views == second.views == ("flow_legacy", "flow_centred", "flow_centred_2")
    one, other = (views.compute(each, each.views, progress=False) for each in (first, second))
    np.testing.assert_array_equal(
        one.arrays["flow_legacy"], other.arrays["flow_legacy"][:, :, ::-1]
    )
    np.testing.assert_array_equal(one.arrays["flow_centred"], other.arrays["flow_centred_2"])
    np.testing.assert_array_equal(one.arrays["flow_centred_2"], other.arrays["flow_centred"])
    plain = centring.centred(one.arrays["flow_legacy"])
    np.testing.assert_allclose(one.arrays["flow_centred"], plain, atol=1e-6)
    assert any("second flow images megc2019_flow_causal" in text for text in first.sources)


def test_without_the_other_pipeline_there_is_no_second_flow(tmp_path):
    corpus = load(write_flat(tmp_path))
    assert corpus.views == ("flow_legacy", "flow_centred")
    with pytest.raises(StudyError, match="has no view 'flow_centred_2': put the other pipeline's"):
        views.compute(corpus, ("flow_centred_2",))
    given = views.compute(corpus, corpus.views, progress=False)
    with pytest.raises(StudyError, match="needs the view 'flow_centred_2', which .* has not: put"):
        experiments.declare("mirror_ridge/two_flows", "megc2019_flow", given)


@pytest.mark.parametrize("change", ["label", "clip"])
def test_a_second_flow_of_other_clips_is_refused(pair, change):
    """The first corpus may differ from the official list; then the two are not one."""
    first, _ = pair
    table = first / "combined_3_class2_for_optical_flow.csv"
    text = table.read_text()
    other = text.replace("EP09f,1", "EP09f,2") if change == "label" else text.replace(
        "casme2,sub09,EP09f,1,,sub09_EP09f.jpg,\n", "")  # fmt: skip
    assert other != text
    table.write_text(other)
    corpus = load(first)
    with pytest.raises(StudyError, match="has not the clips and labels of .*casme2/sub09/EP09f"):
        views.compute(corpus, corpus.views, progress=False)
    assert len(views.compute(corpus, ("flow_centred",), progress=False).clips)


@pytest.mark.parametrize("change", ["label", "image"])
def test_causalnets_images_must_be_the_official_list(pair, change):
    _, second = pair
    if change == "label":
        table = second / "combined_3_class2_for_optical_flow.csv"
        table.write_text(table.read_text().replace("s01_ne_01,0", "s01_ne_01,1"))
        words = "5 clips where the official MEGC2019 list has 5: 1 other label"
    else:
        (second / "STSNet_whole_norm_u_v_os" / "sub09_EP09f .png").unlink()
        words = "4 clips where the official MEGC2019 list has 5: 1 missing here"
    with pytest.raises(StudyError, match=f"is not as it was published, copy it again: {words}"):
        causal(second)


def test_causalnets_real_images(megc2019_folder, causal_folder, tmp_path):
    for name, folder in (
        ("megc2019_flow", megc2019_folder),
        ("megc2019_flow_causal", causal_folder),
    ):
        (tmp_path / name).symlink_to(folder)
    one, other = load(tmp_path / "megc2019_flow"), causal(tmp_path / "megc2019_flow_causal")
    same = ["corpus", "subject", "clip", "label"]
    pd.testing.assert_frame_equal(one.clips[same], other.clips[same])
    assert official.difference(other).empty and len(other.clips) == 442
    arrays = views.compute(one, ("flow_centred", "flow_centred_2"), progress=False).arrays
    first, second = (values[:, :2].reshape(442, -1) for values in arrays.values())
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)]
    strangers = [np.corrcoef(a, b)[0, 1] for a, b in zip(first, second[::-1], strict=True)]
    assert np.median(alike) > 0.3 > 2 * np.median(strangers)  # other flow, but of these clips


# --- what is left out ---------------------------------------------------------------------------


def test_images_and_list_without_each_other(tmp_path):
    folder = write_flat(tmp_path) / "STSNet_whole_norm_u_v_os"
    (folder / "006_006_1_2 .png").unlink()
    (folder / "sub02_EP01_11f .png").write_bytes(png())
    (folder / "mean.png").write_bytes(png())
    corpus = load(tmp_path)
    assert len(corpus.clips) == 4
    assert reasons(corpus) == {
        "006_1_2": "no image '006_006_1_2 .png' in STSNet_whole_norm_u_v_os",
        "EP01_11f": "image 'sub02_EP01_11f .png' is in no clip list",
        "mean.png": "'mean' is not <subject>_<clip> of CASME II, SAMM or SMIC",
    }


def test_images_that_cannot_be_used(tmp_path):
    folder = write_flat(tmp_path) / "STSNet_whole_norm_u_v_os"
    whole = (folder / "sub01_EP02_01f .png").read_bytes()
    (folder / "sub01_EP02_01f .png").write_bytes(whole[:-30])
    (folder / "sub09_EP09f .png").write_bytes(png(shape=(224, 224, 3)))
    (folder / "006_006_1_2 .png").write_bytes(png(shape=(28, 28)))
    (folder / "s01_s01_ne_01 .png").write_bytes(b"")
    (folder / "s20_s20_sur_02 .png").write_bytes(png(dtype=np.uint16))
    corpus = load(tmp_path)
    why = reasons(corpus)
    assert len(corpus.clips) == 0
    assert why["EP02_01f"] == "sub01_EP02_01f .png is not a complete PNG image: copy it again"
    assert why["EP09f"] == "sub09_EP09f .png is 224x224 pixels: expected 28x28"
    assert why["006_1_2"].endswith("has 1 channel(s) of uint8: expected 3 of uint8")
    assert "not a complete PNG" in why["s01_ne_01"]
    assert "uint16" in why["s20_sur_02"]


def headed(width: int, height: int) -> bytes:
    """A few bytes of PNG whose header promises an image of any size."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)}
    parts |= {b"IDAT": zlib.compress(bytes(99)), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


STRANGE = {  # content -> how it is called as a flow image, as a face
    png(shape=(1, 1, 3)): ("is 1x1 pixels", "1x1 pixels holds no face"),
    png(shape=(20, 60_000, 3)): ("is 60000x20 pixels", "60000x20 pixels holds no face"),
    headed(60_000, 60_000): ("is 60000x60000 pixels", "is 60000x60000 pixels"),
    headed(2**31 - 1, 2): ("is 2147483647x2 pixels", "is 2147483647x2 pixels"),
    png()[:200]: ("not a complete PNG", "is cut off"),
    png(shape=(28, 28, 4)): ("has 4 channel", "no face found"),
    headed(0, 0): ("is 0x0 pixels", "no image that OpenCV can decode"),
}


def test_one_strange_picture_is_the_reason_of_its_clip(tmp_path, monkeypatch):
    """Sizes are read from the header: none of these may be decoded into gigabytes."""
    for number, (content, (as_flow, as_face)) in enumerate(STRANGE.items()):
        root = write_flat(tmp_path / str(number))
        (root / "combined_datasets").mkdir()
        (root / "combined_datasets/s20_s20_sur_02.png").write_bytes(content)
        (root / "STSNet_whole_norm_u_v_os/s01_s01_ne_01 .png").write_bytes(content)
        corpus = load(root)
        assert as_flow in reasons(corpus)["s01_ne_01"] and len(corpus.clips) == 4
        assert as_face in megc2019_flow.landmarks(corpus)["smic", "s20", "s20_sur_02"]


def test_image_damaged_inside(tmp_path):
    file = tmp_path / "a.png"
    whole = bytearray(png())
    whole[60:400] = bytes(340)
    file.write_bytes(whole)
    with pytest.raises(StudyError, match="not a complete PNG image"):
        megc2019_flow.read_image(file)


def test_channel_order_is_u_v_strain(tmp_path):
    image = np.zeros((28, 28, 3), np.uint8)
    image[:, :, 2] = 200  # OpenCV writes blue, green, red: red is u
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert megc2019_flow.read_image(tmp_path / "a.png")[5, 5].tolist() == [200, 0, 0]


def test_folders_that_cannot_be_used(tmp_path):
    root = write_flat(tmp_path / "a")
    folder = root / "STSNet_whole_norm_u_v_os"
    (folder / "sub01_EP02_01f.png").write_bytes(png())
    with pytest.raises(StudyError, match="are images of one clip: keep one"):
        load(root)
    (folder / "sub01_EP02_01f.png").unlink()
    (root / "combined_3_class2_for_optical_flow.csv").unlink()
    with pytest.raises(StudyError, match="has no clip list: put combined_3_class2"):
        load(folder)
    with pytest.raises(StudyError, match="has no clip list"):
        load(root)
    shutil.copytree(folder, tmp_path / "b/one")
    shutil.copytree(folder, tmp_path / "b/two")
    (tmp_path / "b/combined_3class_gt.csv").write_text("casme2,sub01,EP02_01f,1\n")
    with pytest.raises(StudyError, match="more than one folder of images, one and two"):
        load(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/readme.txt").write_text("x")
    with pytest.raises(
        StudyError, match="holds no PNG named <subject>_<clip>: put the folder STSNet"
    ):
        load(tmp_path / "c")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/photo.png").write_bytes(png())
    with pytest.raises(StudyError, match="holds no PNG named <subject>_<clip>"):
        load(tmp_path / "d")


# --- clip lists ---------------------------------------------------------------------------------

ROWS = [f"{c[0]},{c[1]},{c[2]},{c[3]}" for c in CLIPS]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(ROWS),
        "\r\n".join(ROWS) + "\r\n",
        "\n,,,\n".join(ROWS) + "\n,,,\n",
        "\n".join(["data,subject,clip,label", *ROWS]),
        "\ufeff" + "\n".join(["corpus,subject,clip,label", *ROWS]),
        "\n".join(ROWS).replace(",", ";"),
        "\n".join(ROWS).replace(",1\n", ",positive\n").replace("samm", "SAMM"),
        "\n".join(ROWS).replace("s01,s01_ne_01", "s1,s1_ne_01"),
    ],
    ids=["plain", "windows", "blank rows", "header", "mark", "semicolons", "names", "disk names"],
)
def test_every_form_of_the_list_is_one_list(tmp_path, text):
    file = tmp_path / "combined_3class_gt.csv"
    file.write_bytes(text.encode())
    table = official.read(file)
    found = table["corpus"] + "/" + table["subject"] + "/" + table["clip"]
    assert set(found) == ALL
    assert list(table["label"]) == ["positive", "positive", "negative", "negative", "surprise"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: a clip list has rows such as"),
        ("casme2,sub01,EP02_01f,3\n", "line 1: label '3' is none of 0"),
        ("casme2,sub01,EP02_01f\n", "line 1 has 3 columns"),
        (
            "casme2,sub01,EP1,1\ncasmeii,sub01,EP2,1\n",
            "line 2: corpus 'casmeii' is not known, the nearest",
        ),
        ("casme2,x7,EP02_01f,1\n", "line 1: 'x7' is not a subject such as sub01"),
        ("samm,6,006_1_2,0\n\nsamm,006,006_1_2,0\n", "twice, in lines 1 and 3"),
        ("dataset,sub,filename_o,labl\n", "has no column 'label'; the nearest is 'labl'"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(StudyError, match=message) as error:
        official.read(file)
    assert "\n" not in str(error.value) and str(file) in str(error.value)


def test_list_that_is_no_text(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"\x81\xff\x00\x81")
    with pytest.raises(StudyError, match="list.csv line 1 is not text in UTF-8"):
        official.read(tmp_path / "list.csv")


def test_two_lists_that_contradict_each_other(tmp_path):
    root = write_flat(tmp_path)
    (root / "combined_3class_gt.csv").write_text("\n".join(ROWS).replace("EP09f,1", "EP09f,2"))
    with pytest.raises(
        StudyError, match="casme2/sub09/EP09f is positive in .*, surprise in .*_gt.csv"
    ):
        load(root)


def test_lists_in_three_parts(tmp_path):
    root = write_flat(tmp_path)
    (root / "combined_3_class2_for_optical_flow.csv").unlink()
    for part, name in (("casme", "casme2"), ("samm", "samm"), ("smic", "smic")):
        rows = [HEADER, *(row for row in ROWS if row.startswith(name))]
        (root / f"{part}_class2_for_optical_flow.csv").write_text("\n".join(rows))
    assert keys(load(root)) == ALL


# --- what lies beside the images ----------------------------------------------------------------


def write_landmarks(root: Path, clips=CLIPS, points=None) -> pd.DataFrame:
    """One face for all clips, in which the 0 to 4 added to x tell them apart."""
    columns = [f"{axis}{point}" for point in range(68) for axis in "xy"]
    face = 8 * drawn_face.landmarks() if points is None else points
    faces = [face + [number, 0] for number in range(len(clips))]
    table = pd.DataFrame(np.reshape(faces, (len(clips), 136)), columns=columns)
    for place, name in enumerate(("corpus", "subject", "clip")):
        table.insert(place, name, [clip[place] for clip in clips])
    table.to_csv(root / "landmarks.csv", index=False)
    return table


def test_landmarks_in_grid_units(tmp_path):
    root = write_flat(tmp_path)
    write_landmarks(root, CLIPS[:4])
    for path in (root, root / "STSNet_whole_norm_u_v_os"):
        corpus = load(path)
        assert corpus.views == ("flow_legacy", "flow_centred", "landmarks")
        found = megc2019_flow.landmarks(corpus)
        assert set(found) == {tuple(key.split("/")) for key in ALL}
        points = found["samm", "006", "006_1_2"]
        assert points.shape == (68, 2) and points.dtype == np.float32
        np.testing.assert_allclose(points, drawn_face.landmarks() + [2 / 8, 0], atol=1e-6)
        assert found["smic", "s20", "s20_sur_02"] == "no row in landmarks.csv"


def test_landmark_tables_that_cannot_be_used(tmp_path):
    root = write_flat(tmp_path)
    table = write_landmarks(root)
    corpus = load(root)
    table.rename(columns={"y67": "y76"}).to_csv(root / "landmarks.csv", index=False)
    with pytest.raises(StudyError, match="has no column 'y67'; the nearest is 'y76'"):
        megc2019_flow.landmarks(corpus)
    table.astype({"x3": str}).replace({"x3": table.loc[0, "x3"].astype(str)}, "seven").to_csv(
        root / "landmarks.csv", index=False
    )
    with pytest.raises(StudyError, match="no number, of clip casme2/sub01/EP02_01f"):
        megc2019_flow.landmarks(corpus)
    table.assign(y9=[0, 0, np.inf, 0, 0]).to_csv(root / "landmarks.csv", index=False)
    with pytest.raises(StudyError, match="no number, of clip samm/006/006_1_2"):
        megc2019_flow.landmarks(corpus)
    pd.concat([table, table[:1]]).to_csv(root / "landmarks.csv", index=False)
    with pytest.raises(StudyError, match="lists casme2/sub01/EP02_01f twice: keep one"):
        megc2019_flow.landmarks(corpus)
    (root / "landmarks.csv").unlink()
    with pytest.raises(StudyError, match="has no landmarks: put landmarks.csv next to"):
        megc2019_flow.landmarks(corpus)


FACE = 8 * drawn_face.landmarks()  # in pixels of a 224x224 face


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (FACE / 224, "no face that fills its image: give x and y in pixels of the 224x224 face"),
        (FACE / 8, "no face that fills its image: give x and y in pixels"),
        (FACE * 640 / 224, "no face that fills its image: give x and y in pixels"),
        (FACE * 0.5, "no face that fills its image"),
        (FACE * 0, "all landmarks have one x or one y .*: give x and y in pixels of"),
        (FACE[:, ::-1], "the mouth is beside the eyes in the landmarks: x and y are swapped"),
        (FACE * [1, -1] + [0, 224], "the eyes are not above the mouth in the landmarks: y must"),
        (FACE * [-1, 1] + [224, 0], "the right eye .* is not left of the left one .*: mirror x"),
    ],
    ids=["unit", "grid", "recording", "half", "zero", "swapped", "down", "mirrored"],
)
def test_landmarks_that_are_no_face(tmp_path, points, told):
    root = write_flat(tmp_path)
    write_landmarks(root, points=points)
    for reason in megc2019_flow.landmarks(load(root)).values():
        assert re.search(told, reason)


def test_landmarks_of_the_wrong_kind_are_the_clips_reason(tmp_path):
    root = write_flat(tmp_path)
    table = write_landmarks(root)
    table.iloc[3, 3:] = 0
    table.to_csv(root / "landmarks.csv", index=False)
    found = views.compute(load(root), ("flow_legacy", "landmarks"), progress=False)
    assert len(found.clips) == 4 and "all landmarks have one x" in reasons(found)["s01_ne_01"]


class NoFace(StudyError):
    pass


def test_landmarks_detected_in_face_images(tmp_path, monkeypatch):
    def detect(image):  # a stand-in for dlib: it sees the brightest pixel, or nothing
        if image.max() < 100:
            raise NoFace("nothing brighter than 100")
        y, x = np.unravel_index(image.argmax(), image.shape)
        return np.full((68, 2), (x, y), np.float32)

    stand_in = types.SimpleNamespace(landmarks=detect, NoFace=NoFace)
    monkeypatch.setitem(sys.modules, "mer_utils.preprocessing.faces", stand_in)
    monkeypatch.setattr("mer_utils.preprocessing.faces", stand_in, raising=False)
    root = write_flat(tmp_path)
    folder = root / "combined_datasets_whole"
    folder.mkdir()
    face = np.zeros((224, 112), np.uint8)
    face[200, 100] = 255
    cv2.imwrite(str(folder / "s01_s1_ne_01.png"), face)
    cv2.imwrite(str(folder / "sub01_EP02_01f_apex.png"), face)
    cv2.imwrite(str(folder / "sub01_EP02_01f_onset.png"), face * 0)
    cv2.imwrite(str(folder / "006_006_1_2.png"), face * 0)
    (folder / "sub09_EP09f.jpg").write_bytes(b"no image")
    corpus = load(root)
    assert corpus.views == ("flow_legacy", "flow_centred", "landmarks")
    found = megc2019_flow.landmarks(corpus)
    for key in (("smic", "s01", "s01_ne_01"), ("casme2", "sub01", "EP02_01f")):
        assert found[key].tolist() == [[25.0, 25.0]] * 68
    assert "no face found in 006_006_1_2.png" in found["samm", "006", "006_1_2"]
    assert "no image that OpenCV can decode" in found["casme2", "sub09", "EP09f"]
    assert "no face image" in found["smic", "s20", "s20_sur_02"]


def test_action_units(tmp_path):
    root = write_flat(tmp_path)
    file = root / "action_units.csv"
    file.write_text("corpus,subject,clip,action_units\nsamm,6,006_1_2,(R6 or R12)+R15\n")
    units = load(root).clips.set_index("clip")["action_units"]
    assert units["006_1_2"] == "(R6 or R12)+R15" and units["s01_ne_01"] == ""
    file.write_text("corpus,subject,clip,aus\nsamm,6,006_1_2,12\n")
    with pytest.raises(StudyError, match="has no column 'action_units'; the nearest is 'aus'"):
        load(root)
    file.write_text("corpus,subject,clip,action_units\nsam,6,006_1_2,12\n")
    with pytest.raises(StudyError, match="line 2: sam/6"):
        load(root)


# --- the real clips and the official list -------------------------------------------------------


@pytest.fixture(scope="module")
def real(megc2019_folder):
    return load(megc2019_folder)


def test_the_442_clips(real, megc2019_folder):
    assert len(real.clips) == 442 and len(real.exclusions) == 0
    assert real.clips["label"].value_counts().to_dict() == {
        "negative": 250,
        "positive": 109,
        "surprise": 83,
    }
    assert real.clips["corpus"].value_counts().to_dict() == {
        "smic": 164,
        "casme2": 145,
        "samm": 133,
    }
    subjects = real.clips.groupby("corpus")["subject"].nunique()
    assert subjects.to_dict() == {"casme2": 24, "samm": 28, "smic": 16}
    assert (real.clips["action_units"] != "").sum() == 278
    assert official.difference(real).empty
    assert official.sentence(real).startswith("The same 442 clips with the same labels as the off")
    found = megc2019_flow.landmarks(real)
    points = np.stack(list(found.values()))
    assert points.shape == (442, 68, 2)
    assert 8 < points[:, 30].mean() < 20  # the tip of the nose is near the middle of 28


def test_shipped_fingerprints_are_those_of_the_official_list(megc2019_folder):
    made = official.make_table(megc2019_folder / "combined_3class_gt.csv")
    pd.testing.assert_frame_equal(made, official.table(), check_dtype=False)
    table = official.table()
    assert table["clips"].sum() == 442
    assert len({p for prints in table["fingerprints"] for p in prints.split()}) == 442


def test_fingerprints_name_no_clip():
    text = official.TABLE.read_text()
    assert "EP" not in text and "_ne_" not in text and "006_" not in text


def altered(real, tmp_path, keep_list: bool):
    """The real folder less one image, one image renamed to a clip of nobody, one other label."""
    root = tmp_path / "copy"
    folder = root / "STSNet_whole_norm_u_v_os"
    folder.mkdir(parents=True)
    for image in real.clips["frames"]:
        shutil.copy(image, folder)
    (folder / "sub01_EP02_01f .png").unlink()
    (folder / "006_006_1_2 .png").rename(folder / "006_006_9_9 .png")
    rows = real.clips[["corpus", "subject", "clip", "label"]].copy()
    rows.loc[rows["clip"] == "006_1_2", "clip"] = "006_9_9"
    rows = rows[(rows["subject"] != "sub01") | (rows["clip"] != "EP02_01f")]
    rows.loc[(rows["subject"] == "s19") & (rows["clip"] == "s19_po_01"), "label"] = "negative"
    rows.to_csv(root / "combined_3class_gt_mine.csv", header=False, index=False)
    if keep_list:
        shutil.copy(real.path / "combined_3class_gt.csv", tmp_path / "combined_3class_gt.csv")
    return load(root)


def test_differences_from_the_official_list(real, tmp_path, capsys):
    corpus = altered(real, tmp_path, keep_list=False)
    found = official.difference(corpus).drop(columns="difference").to_numpy().tolist()
    assert found == [
        ["casme2", "sub01", "", "", "positive", 1],
        ["samm", "006", "", "", "negative", 1],
        ["samm", "006", "006_9_9", "negative", "", 1],
        ["smic", "s19", "s19_po_01", "negative", "positive", 1],
    ]
    assert official.sentence(corpus) == (
        "441 clips where the official MEGC2019 list has 442: 2 missing here, 1 other label, "
        "1 not in the official list."
    )
    cli.main(["corpora", "megc2019_flow", str(corpus.path)])
    out = capsys.readouterr().out
    assert "smic/s19/s19_po_01 is negative here, positive in the list" in out
    assert "samm/006/006_9_9 (negative) is not in the list" in out
    assert "casme2/sub01: 1 positive clip(s) of the list are missing here" in out


def test_missing_clips_are_named_where_the_list_lies_beside(real, tmp_path):
    found = official.difference(altered(real, tmp_path, keep_list=True))
    assert list(found.loc[found["difference"] == official.MISSING, "clip"]) == [
        "EP02_01f",
        "006_1_2",
    ]


def test_the_same_count_can_hide_other_clips(real, tmp_path):
    corpus = altered(real, tmp_path, keep_list=False)
    assert len(corpus.clips) == 441 and len(official.difference(corpus)) == 4


def test_split_layout_of_real_images(real, tmp_path):
    for number, subject in enumerate(("sub01", "006", "s01")):
        for clip in real.clips.itertuples():
            part = "u_test" if clip.subject == subject else "u_train"
            label = str(corpora.CLASSES.index(clip.label))
            where = tmp_path / subject / part / label
            where.mkdir(parents=True, exist_ok=True)
            (where / Path(clip.frames).name).symlink_to(clip.frames)
        assert len(load(tmp_path).clips) == 442, number
    corpus = load(tmp_path)
    assert official.difference(corpus).empty
    same = ["corpus", "subject", "clip", "label"]
    pd.testing.assert_frame_equal(corpus.clips[same], real.clips[same])


def test_the_command_that_makes_the_fingerprints(megc2019_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(official, "TABLE", tmp_path / "official.csv")
    assert cli.main(["official", str(megc2019_folder / "combined_3class_gt.csv")]) == 0
    assert "442 clips" in capsys.readouterr().out
    assert official.table()["clips"].sum() == 442
    assert cli.main(["official", str(tmp_path / "nothing.csv")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
