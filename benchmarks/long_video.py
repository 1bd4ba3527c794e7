"""Peak memory and time of one process that computes all views of one long video.

    python benchmarks/long_video.py --minutes 10
    python benchmarks/long_video.py --minutes 10 --without-face

A film of 1280x720 and 30 frames a second is made of one photograph by another process; its apex is
not given, so that every frame is read to spot it, and every frame is followed to choose the key
frames. It prints one line: minutes, frames, seconds and the peak of the resident memory in MB.
"""

import argparse
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from mer_utils import corpora
from mer_utils.preprocessing import views

SIZE, RATE = (1280, 720), 30
HEAD = "subject,clip,label,onset,apex,offset,path\n"


def film(file: Path, minutes: float, face: bool) -> None:
    """A face, or a cup, that drifts by a pixel or two, for so many minutes."""
    photograph = data.astronaut()[:288, :512] if face else data.coffee()[:337]
    picture = cv2.resize(photograph[..., ::-1].copy(), SIZE)
    stream = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), RATE, SIZE)
    for number in range(frames(minutes)):
        shift = 2 * np.sin(2 * np.pi * number / (3 * RATE))
        moved = np.float32([[1, 0, shift], [0, 1, shift / 2]])
        stream.write(cv2.warpAffine(picture, moved, SIZE, borderMode=cv2.BORDER_REPLICATE))
    stream.release()


def frames(minutes: float) -> int:
    return round(60 * RATE * minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--without-face", dest="face", action="store_false")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "film.mp4"), options.minutes, options.face
        maker = get_context("spawn").Process(target=film, args=given)
        maker.start()
        maker.join()
        Path(folder, "clips.csv").write_text(f"{HEAD}1,film,positive,1,,,film.mp4\n")
        (row,) = corpora.load("own", folder).clips.to_dict("records")
        began = time.monotonic()
        result = views._arrays_or_reason(row, views.VIEWS, "dis_fine", Path(folder, "cache"))
        seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = result if isinstance(result, str) else f"apex {result['apex']}"
    count = frames(options.minutes)
    print(f"{options.minutes:g} min, {count} frames: {seconds:.0f} s, peak {peak:.0f} MB; {found}")


if __name__ == "__main__":
    main()
