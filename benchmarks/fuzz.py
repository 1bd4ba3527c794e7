"""What readers make of damaged and invented files: read, refused in one sentence, or a crash.

    python benchmarks/fuzz.py                       # 2,000 files for each reader, some minutes
    python benchmarks/fuzz.py --reader logs --count 20000 --seed 7
    python benchmarks/fuzz.py --reader megc2019_flow --folder data/raw/megc2019_flow

A reader is an entry of READERS: a good file and a function that reads a path. A file is the good
one with bytes, cells and lines changed, doubled, cut or dropped, as a seed says. Or it is a corpus
of RELEASES: a small release, or a copy of the one in --folder, in which one to four sheets, files,
links or folders have been changed. Counted are files and releases that were read and refused; what
is no StudyError of one line is printed with its seed, and so is what took longer than five seconds
of the processor. Memory is the highest of the process so far.
"""

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import numpy as np

from mer_utils import corpora, paths
from mer_utils.corpora import errata, megc2019_flow, official, own, sheets, summary
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, scores
from mer_utils.preprocessing import views

sys.path.insert(0, str(paths.ROOT / "tests"))
from test_corpora_mutated import RELEASES, change

SLOW = 5.0  # seconds
HEAD = ",".join(own.REQUIRED)
ROWS = "run,system,seed,selection,corpus,subject,clip,label,predicted,p_negative,p_positive"
SHEET = "Subject,Filename,Onset Frame,Apex Frame,Offset Frame,Action Units,Estimated Emotion"
WORDS = (
    *(b"", b"\0", b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b" ", b"NA", b"nan", b"inf", b"-1"),
    *(b"1e400", b"0.52", b"9" * 30, b"9" * 5000, b"=1+1", b"../../x", b"~nobody", b"\xff\xfe"),
    *(b"\xef\xbb\xbf", b"\xe9", b"\xd0\xa6", "\u2028\u200b\u00a0".encode(), "\uff11".encode()),
    *(b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"sep=;", b"x" * 300, b"casme2", b"%"),
)


def _own(path: Path) -> None:
    corpora.load("own", path)


def _scored_log(path: Path) -> None:
    scores.table(logs.read_log(path))


def _scored_rows(path: Path) -> None:
    rows = logs.read_rows(path)
    scores.table(rows)
    logs.remarks(rows)


def _views(path: Path) -> None:
    """Saved views whose three texts are the lines of the file."""
    texts = dict(
        zip(("clips", "exclusions", "about"), path.read_bytes().split(b"\n"), strict=False)
    )
    arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    np.savez(path.with_suffix(".npz"), **arrays, view_flow=np.zeros((2, 3, 28, 28), np.float32))
    views.about(path.with_suffix(".npz"))
    views.load(path.with_suffix(".npz"))


READERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {  # name: (file, good, reader)
    "own": (
        "clips.csv",
        f"{HEAD},fps,note\n01,smile,positive,12,30,55,a,90,x\n02,b,negative,1,,,b.avi,,\n",
        _own,
    ),
    "errata": (
        "errata.csv",
        ",".join(errata.COLUMNS)
        + "\ncasme2,,sub01,EP02,apex,/,,mail\nsamm,,006,,excluded:3,,a,b\n",
        errata.read,
    ),
    "lists": ("list.csv", "casme2,sub01,EP02_01f,1\nsmic,s01,s01_ne_01,0\n", official.read),
    "sheets": (
        "coding.csv",
        f"prose\n{SHEET}\n01,EP02,46,59,86,4,happiness\n02,EP03,1,/,9,R1,others\n",
        sheets.read,
    ),
    "logs": ("log.txt", "casme2 sub01\nEP02_01f 1 1\nsmic s01\ns01_ne_01 0 2\n", _scored_log),
    "rows": (
        "rows.csv",
        f"{ROWS},p_surprise,epoch\nr,svm,0,last,samm,006,a,negative,positive,.5,.4,.1,3\n",
        _scored_rows,
    ),
    "views": (
        "views.txt",
        '{"columns":[],"index":[0,1],"data":[["samm","006","a","negative","",1,2,3,"sheet",200.0,"",'
        '"",""],["samm","007","b","positive","",1,null,3,"",null,"4","",""]]}\n'
        '{"columns":[],"index":[0],"data":[["samm","006","c","no face"]]}\n'
        '{"name":"samm","classes":["negative","positive","surprise"]}',
        _views,
    ),
}


def mutated(good: bytes, dice: random.Random) -> bytes:
    """The good file after one to six changes; now and then in UTF-16."""
    content = good
    for _ in range(dice.randint(1, 6)):
        sign = dice.choice([b"\n", b",", b" ", b""])
        parts = content.split(sign) if sign else [bytes([byte]) for byte in content]
        at, word = dice.randrange(len(parts) or 1), dice.choice(WORDS)
        change = dice.choice(("replace", "insert", "drop", "double", "swap", "cut", "join"))
        if change == "cut":
            parts = parts[: at + 1]
        elif change == "join" and at + 1 < len(parts):
            parts[at : at + 2] = [parts[at] + word + parts[at + 1]]
        elif change == "swap" and parts:
            other = dice.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        elif change == "double":
            parts[at:at] = parts[at : at + 1] * dice.choice((1, 1, 3, 50))
        else:
            new = [] if change == "drop" else [word]
            parts[at : at + (change != "insert")] = new
        content = sign.join(parts)
    if dice.random() < 0.05:
        content = content.decode("latin-1").encode(
            dice.choice(("utf-16", "utf-16-le", "utf-8-sig"))
        )
    return content


def _changed_file(name: str, place: Path, dice: random.Random) -> Path:
    file, good, _ = READERS[name]
    (place / file).write_bytes(mutated(good.encode(), dice))
    return place / file


def _changed_release(name: str, place: Path, dice: random.Random) -> Path:
    folder, good = place / name, place / "good"
    if not good.is_dir():
        good.mkdir()
        RELEASES[name](good)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder, symlinks=True, copy_function=shutil.copyfile)
    for _ in range(dice.randint(1, 4)):
        texts = [path for path in sorted(folder.rglob("*.csv")) if path.is_file()]
        with suppress(Exception):  # an earlier change has damaged what this one needs
            if texts and dice.random() < 0.3:
                file = dice.choice(texts)
                file.write_bytes(mutated(file.read_bytes(), dice))
            else:
                change(folder, dice)
    return folder


def _release(name: str, folder: Path) -> None:
    corpus = corpora.load(name, folder)
    summary.text(corpus).encode()
    if "landmarks" in corpus.views and "frames" not in corpus.views:
        megc2019_flow.landmarks(corpus)


def fuzz(name: str, count: int, seed: int, place: Path, out=sys.stdout) -> Counter:
    """Reads `count` files by one reader: how many were read, refused, crashed and slow."""
    make, read = _changed_release, partial(_release, name)
    if name in READERS:
        make, read = _changed_file, READERS[name][2]
    counted = Counter(read=0, refused=0, crashed=0, slow=0)
    for number in range(seed, seed + count):
        path = make(name, place, random.Random(number))
        began = time.process_time()
        try:
            read(path)
            kind = "read"
        except StudyError as error:
            kind = "refused" if "\n" not in str(error) else "crashed"
            told = f"an error of several lines: {error}"
        except Exception as error:
            kind, told = "crashed", f"{type(error).__name__}: {error}"
        counted[kind] += 1
        if kind == "crashed":
            print(f"{name} --seed {number} --count 1: {told[:300]}", file=out)
        if time.process_time() - began > SLOW:
            counted["slow"] += 1
            print(f"{name} --seed {number} --count 1: slow", file=out)
    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*READERS, *RELEASES]
    parser.add_argument("--reader", choices=names, help="one of them; default: all")
    parser.add_argument("--count", type=int, default=2000, help="files or releases for each")
    parser.add_argument("--seed", type=int, default=0, help="of the first file")
    parser.add_argument("--folder", type=Path, help="a release to change copies of")
    options = parser.parse_args()
    official.table = cache(official.table)  # it stays as it is, and each release asks thrice
    if options.folder:
        RELEASES[options.reader] = partial(shutil.copytree, options.folder, dirs_exist_ok=True)
    for name in [options.reader] if options.reader else names:
        with tempfile.TemporaryDirectory() as place:
            paths.DATA = Path(place) / "data"  # no errata of this machine
            began = time.perf_counter()
            counted = fuzz(name, options.count, options.seed, Path(place))
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        numbers = ", ".join(f"{number} {kind}" for kind, number in counted.items())
        print(f"{name}: {numbers}; {seconds:.0f} s, {memory:.0f} MB at most")


if __name__ == "__main__":
    main()
