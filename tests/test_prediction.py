"""A run's networks kept as a file, read back, and asked about films of people in no corpus."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_clips import clip_table, made_views
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mer_utils import cli, experiments, paths
from mer_utils.errors import StudyError
from mer_utils.prediction import familiar, members, models, predict
from mer_utils.preprocessing import spotting
from mer_utils.reporting import films
from mer_utils.reporting.plots import people
from mer_utils.synthetic import films as made_films

CLIPS = clip_table()
VIEWS = made_views(CLIPS)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The file of a trained network."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNS", "KEPT", "WEIGHTS", "MODELS"):
            patch.setattr(paths, name, tmp_path_factory.mktemp(name))
        experiment = experiments.declare("mhssa_gcn", "made", VIEWS, epochs=2, dim=16)
        ways = {"jobs": 1, "device": "cpu", "progress": False, "keep_weights": True}
        experiments.run(experiment, VIEWS, **ways)
        file = models.save_models(experiment, VIEWS, synthetic=True)
        every = [
            member.probabilities(VIEWS.arrays, CLIPS)
            for _, member in members.members(experiment, VIEWS)
        ]
    return file, np.stack(every)


def changed(kept, tmp_path, card=lambda card: card, tensors=lambda tensors: tensors, **metadata):
    """A copy of the file with another card, other tensors, other metadata."""
    with safe_open(kept[0], "pt") as stored:
        given = stored.metadata()
    given["card"] = json.dumps(card(json.loads(given["card"])))
    file = tmp_path / "made-mhssa_gcn.safetensors"
    save_file(tensors(load_file(kept[0])), file, given | metadata)
    return file


def test_a_file_holds_what_was_trained(kept):
    read = models.load(kept[0])
    assert read.classes == ("negative", "positive", "surprise")
    assert len(read.members) == 6
    plain = models.Models(read.card | {"temperature": 1.0}, read.members, read.known)
    np.testing.assert_allclose(plain.probabilities(VIEWS.arrays, CLIPS), kept[1], atol=1e-3)


def test_the_card_says_of_whom_it_knows_nothing(kept):
    text = kept[0].with_suffix(".md").read_text(encoding="utf-8")
    assert models.SYNTHETIC in text
    for words in ("15 clips of 3 people", "UF1 0.", "one temperature", "Article 5(1)(f)"):
        assert words in text


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something else"},
        {"card": lambda card: {n: v for n, v in card.items() if n != "folds"}},
        {"card": lambda card: card | {"experiment": card["experiment"] | {"system": "deepface"}}},
        {"card": lambda c: c | {"folds": [f | {"config": {"wings": 2}} for f in c["folds"]]}},
        {"tensors": lambda tensors: {n: v.flatten()[:1] for n, v in tensors.items()}},
        {"tensors": lambda tensors: {n: v for n, v in tensors.items() if "head" not in n}},
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(kept, tmp_path, change):
    with pytest.raises(StudyError, match=r"made-mhssa_gcn\.safetensors .*: make it"):
        models.load(changed(kept, tmp_path, **change))


def test_what_is_no_file_of_models_is_refused(tmp_path):
    file = tmp_path / "made-htnet.safetensors"
    with pytest.raises(StudyError, match="train htnet --corpus made --for-prediction"):
        models.load(file)
    file.write_bytes(b"a" * 100)
    with pytest.raises(StudyError, match="--for-prediction"):
        models.load(file)


def test_an_estimator_has_no_weights_to_keep(capsys):
    with pytest.raises(StudyError, match="choose a network"):
        models.save_models(experiments.declare("svm", "made", VIEWS), VIEWS, synthetic=True)
    words = ["train", "ststnet", "svm", "--for-prediction", "--data", "nowhere"]
    assert cli.main(words) == cli.ARGUMENT_ERROR  # before anything is trained
    assert "choose a network" in capsys.readouterr().err


def test_models_of_flow_images_say_that_a_film_is_another_input(kept):
    card = models.load(kept[0]).card
    assert models.beware(card) == models.SYNTHETIC
    assert models.beware(card | {"synthetic": False}) == ""
    images = card | {"synthetic": False, "known": "flow_centred"}
    assert models.IMAGES in models.text(images)


def test_a_strange_clip_is_told_from_a_usual_one():
    random = np.random.default_rng(0)
    ways = random.normal(0, 1, (5, 3, 28, 28))
    flow = np.tensordot(random.normal(0, 1, (200, 5)), ways, 1).astype(np.float32)
    clips = pd.DataFrame({"corpus": "made", "subject": [f"{n % 20}" for n in range(200)]})
    known = familiar.learn(type(VIEWS)(clips.assign(clip="1"), CLIPS[:0], {"flow": flow}))
    assert np.mean([reason == "" for reason in known.strange(flow)]) > 0.9
    noise = random.normal(0, 1, (1, 3, 28, 28)) * np.linalg.norm(flow[0]) / 48
    assert "form" in known.strange(noise)[0]
    assert "more" in known.strange(50 * flow[:1])[0]
    assert "less" in known.strange(flow[:1] / 500)[0]


def film(**interval):
    line = {"onset": 1, "apex": 3, "offset": 5, "movement": 1.0, "seen": True} | interval
    course = pd.DataFrame({"frame": [1], "seconds": [0.0], "movement": [0.0]})
    return spotting.Film("film", 9, 100.0, course, 0.1, pd.DataFrame([line]), [])


def stubbed(monkeypatch, **interval):
    """Searching and computing of views replaced: what is between them is tested here."""
    monkeypatch.setattr(spotting, "search", lambda *_, **__: film(**interval))

    def compute(corpus, names, *_, **__):
        frames = np.zeros((1, 2, 128, 128), np.uint8)
        arrays = {n: frames if n == "frames" else VIEWS.arrays[n][:1] for n in names}
        return type(VIEWS)(corpus.clips, corpus.exclusions, arrays)

    monkeypatch.setattr(predict.all_views, "compute", compute)


def test_a_movement_is_read_by_every_network(kept, monkeypatch):
    stubbed(monkeypatch)
    known = models.load(kept[0])
    table = predict.predict(["a.mp4", "b.mp4"], known, progress=False).table
    assert table["film"].tolist() == ["a.mp4", "b.mp4"]
    expected = known.probabilities({n: v[:1] for n, v in VIEWS.arrays.items()}, CLIPS[:1])[:, 0]
    for number, name in enumerate(known.classes):
        np.testing.assert_allclose(table[f"p_{name}"], expected[:, number].mean(), atol=1e-6)
        assert (table[f"low_{name}"] <= table[f"high_{name}"]).all()
    assert table["predicted"].iloc[0] == known.classes[expected.mean(0).argmax()]
    assert table["seconds"].tolist() == [0.0, 0.0]


def test_a_film_at_rest_has_no_class(kept, monkeypatch):
    stubbed(monkeypatch, seen=False)
    table = predict.predict(["a.mp4"], models.load(kept[0]), progress=False).table
    assert table["predicted"].tolist() == [predict.NOTHING]
    assert table.filter(regex="^p_").isna().all(axis=None)


def test_a_film_that_cannot_be_read_does_not_stop_the_others(kept, tmp_path, monkeypatch):
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    reading = predict.predict([tmp_path / "broken.mp4"], models.load(kept[0]), progress=False)
    assert list(reading.refused) == ["broken.mp4"]
    assert reading.table.empty


def test_moments_are_of_one_film(kept):
    with pytest.raises(StudyError, match="one by one"):
        predict.predict(["a.mp4", "b.mp4"], models.load(kept[0]), onset=3)
    with pytest.raises(StudyError, match=r"two films are called a\.mp4"):
        predict.predict(["x/a.mp4", "y/a.mp4"], models.load(kept[0]))


def test_a_page_says_what_was_read_and_shows_faces_only_when_asked(kept, monkeypatch):
    stubbed(monkeypatch)
    known = models.load(kept[0])
    reading = predict.predict(["a.mp4"], known, progress=False)
    said = films.sentence(reading, known)
    assert said.startswith("Movements read: 1. a.mp4, frame 3: ") and models.SYNTHETIC in said
    line = films.shown(reading, known).iloc[0]
    assert all("(" in line[name] for name in known.classes)
    drawn = []
    monkeypatch.setattr(films.report, "show", lambda fig, alt: drawn.append(alt))
    films.faces(reading)
    assert drawn == ["Onset and apex of a movement in a.mp4."] and not people.may_be_shown()


def test_flow_without_a_unit_has_no_size_to_be_strange():
    flow = np.random.default_rng(0).normal(0, 1, (40, 3, 28, 28)).astype(np.float32)
    clips = pd.DataFrame({"corpus": "made", "subject": [f"{n % 8}" for n in range(40)]})
    known = familiar.learn(type(VIEWS)(clips, CLIPS[:0], {"flow_centred": flow}))
    assert known.strange(5 * flow) == known.strange(flow)


def test_a_movement_that_cannot_be_read_is_said(kept, monkeypatch):
    stubbed(monkeypatch)

    def compute(*_, **__):
        raise StudyError("a.mp4 has no face in its apex")

    monkeypatch.setattr(predict.all_views, "compute", compute)
    known = models.load(kept[0])
    reading = predict.predict(["a.mp4"], known, progress=False)
    assert reading.table["predicted"].tolist() == [predict.UNREADABLE]
    assert "a.mp4 has no face in its apex" in films.sentence(reading, known)


def test_the_command_leaves_a_page_and_the_numbers_where_no_report_was(kept, tmp_path):
    surroundings = {"MER_DATA": str(tmp_path / "data"), "MER_REPORTS": str(tmp_path / "reports")}
    options = {"env": os.environ | surroundings, "cwd": paths.ROOT, "capture_output": True}
    film = made_films.example(tmp_path / "data" / "films")[0]
    asked = [sys.executable, "-m", "mer_utils", "predict", str(film)]
    done = subprocess.run([*asked, "--model", str(kept[0])], text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = (tmp_path / "reports" / "html" / "films").glob("*.html")
    table = pd.read_csv(page.with_suffix(".csv"))
    assert table["predicted"].notna().all() and len(table)
    page.with_suffix(".avi").write_bytes(b"no film")
    asked[-1] = str(page.with_suffix(".avi"))
    done = subprocess.run([*asked, "--model", str(kept[0])], text=True, **options)
    assert done.returncode == 1 and "is no video that OpenCV can open" in done.stdout
    assert not page.with_suffix(".csv").exists()
