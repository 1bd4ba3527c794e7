"""Reading a release of full size: 860 clips, 60,200 frames, a sheet of 860 rows.

    python benchmarks/corpora.py               # makes the trees in a temporary folder
    python benchmarks/corpora.py --profile     # and says where the time goes; about a minute

The tree is made in the layouts of CAS(ME)^3 part A, whole films and clips, and of CASME II. Frames
are one byte long: reading lists and checks them and opens none. Each is read three times, the first
for a warm disk cache, in one process; the memory is what Python allocates at its highest (from a
run of its own, which is slower) and what stays after the table is there.
"""

import argparse
import cProfile
import os
import platform
import pstats
import tempfile
import time
import tracemalloc
from pathlib import Path

import pandas as pd

from mer_utils import corpora

CLIPS, FRAMES, SUBJECTS = 860, 70, 94
EMOTIONS = ("disgust", "surprise", "others", "fear", "anger", "sad", "happy")


def make(root: Path, layout: str) -> Path:
    """A release of CLIPS clips in one layout. Returns its folder."""
    root = root / layout
    rows = []
    for number in range(CLIPS):
        person, film = number % SUBJECTS + 1, "abcdefghij"[number // SUBJECTS]
        onset = 100 + number % 7
        if layout == "casme2":
            folder = root / f"CASME2_RAW_selected/sub{person:02d}/EP{number:03d}"
            rows.append(
                [f"{person:02d}", folder.name, onset, onset + 30, onset + 69, "4", "disgust"]
            )
        else:
            subject = f"spNO.{person}"
            folder = root / f"part_A/{subject}/{film}/color"
            if layout == "casme3_clips":
                folder = root / f"Part_A_ME_clip/frame/{subject}_{film}_{onset}"
            emotion = EMOTIONS[number % len(EMOTIONS)]
            rows.append([subject, film, onset, onset + 30, onset + 69, "4", emotion])
        folder.mkdir(parents=True)
        name = "img{}.jpg" if layout == "casme2" else "{}.jpg"
        for frame in range(onset, onset + FRAMES):
            with open(os.open(folder / name.format(frame), os.O_CREAT | os.O_WRONLY), "wb") as file:
                file.write(b"x")
    if layout == "casme2":
        head = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"]
        head, sheet = [*head, "Action Units", "Estimated Emotion"], "CASME2-coding-20140508.xlsx"
    else:
        head = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"]
        sheet = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    pd.DataFrame(rows, columns=head).to_excel(root / sheet, sheet_name="label", index=False)
    return root


def seconds(name: str, folder: Path, apex: str = "sheet") -> tuple[float, int]:
    """The best of three readings, and the clips kept."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        clips = len(corpora.load(name, folder, apex=apex).clips)
        best = min(best, time.perf_counter() - began)
    return best, clips


def memory(name: str, folder: Path) -> tuple[float, float]:
    """MB that Python holds at most while reading, and afterwards."""
    tracemalloc.start()
    corpus = corpora.load(name, folder)
    now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(corpus.clips)
    return most / 1e6, now / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", action="store_true", help="the ten dearest functions")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as place:
        for layout in ("casme3_clips", "casme3_films", "casme2"):
            name = layout.partition("_")[0]
            began = time.perf_counter()
            folder = make(Path(place), layout)
            made = time.perf_counter() - began
            taken, clips = seconds(name, folder)
            middle, _ = seconds(name, folder, "midpoint")
            most, held = memory(name, folder)
            print(
                f"{layout}: {CLIPS} rows, {CLIPS * FRAMES} frames (made in {made:.1f} s): read and "
                f"checked in {taken:.2f} s ({clips} clips kept), with apex 'midpoint' in "
                f"{middle:.2f} s; {most:.1f} MB at most, {held:.1f} MB kept"
            )
            if options.profile:
                profiler = cProfile.Profile()
                profiler.runcall(corpora.load, name, folder)
                pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
