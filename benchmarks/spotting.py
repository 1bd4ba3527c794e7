"""How well `preprocessing/spotting.py` finds what was put into films of synthetic persons.

    python benchmarks/spotting.py            # the persons that set no threshold, about 10 minutes
    python benchmarks/spotting.py --half 0   # the others

Still clips move by the head's sway, noise and JPEG alone; true ones are one expression from the
first frame to the last; long films hold several between still stretches.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from mer_utils.preprocessing import spotting
from mer_utils.synthetic import films as made_films
from mer_utils.synthetic.plan import LAYOUTS

# Of each release the first half of its subjects set the threshold, the others test it.
HALVES = tuple(
    [(layout, subject) for layout in LAYOUTS for subject in part(layout.subjects)]
    for part in (lambda all: all[: len(all) // 2], lambda all: all[len(all) // 2 :])
)


def film(made: made_films.Made, folder: str) -> spotting.Film:
    """What is found in the frames, written to a folder for it."""
    place = Path(tempfile.mkdtemp(dir=folder))
    for number, frame in enumerate(made.frames, start=1):
        cv2.imwrite(str(place / f"{number:04d}.bmp"), frame)
    return spotting.search(place)


def clips(half: int, each: int, folder: str) -> tuple[np.ndarray, np.ndarray, list, list]:
    """Seen or not of still clips, of true clips; errors and peaks of the true."""
    seen, errors, peaks = {False: [], True: []}, [], []
    for layout, subject in HALVES[half]:
        for seed in range(each):
            for moves in (False, True):
                made = made_films.short(layout, subject, 1000 + seed, moves)
                found = film(made, folder).intervals
                seen[moves].append(len(found))
                if moves:
                    peaks.append(made.peaks[0])
                if moves and len(found):
                    errors.append(found.iloc[0, :3].to_numpy(float) - made.events[0])
    return np.array(seen[False]), np.array(seen[True]), errors, peaks


def overlap(one, other) -> float:
    """Intersection over union of (first, _, last) frames."""
    shared = min(one[2], other[2]) - max(one[0], other[0]) + 1
    return max(0, shared) / (max(one[2], other[2]) - min(one[0], other[0]) + 1)


def long_films(half: int, count: int, folder: str) -> tuple[int, int, int, list]:
    """Intervals right, found, put in; errors in frames of those that are right."""
    right = found_all = true_all = 0
    errors = []
    for number, (layout, subject) in enumerate(HALVES[half]):
        events = (0, 3, 5, 8)[number % 4]
        made = made_films.long(layout, subject, 1000 + number, count, events)
        found = film(made, folder).intervals.iloc[:, :3].to_numpy(float)
        for event in made.events:
            hits = [one for one in found if overlap(one, event) >= 0.5]
            right += bool(hits)
            errors += [hits[0] - event] if hits else []
        found_all, true_all = found_all + len(found), true_all + len(made.events)
        print(
            f"  {layout.name} {subject}: {len(made.events)} put in, {len(found)} found", flush=True
        )
    return right, found_all, true_all, errors


def told(errors: list) -> str:
    sizes = np.abs(errors)
    parts = zip(("onset", "apex", "offset"), np.quantile(sizes, (0.5, 0.9), axis=0).T, strict=True)
    return ", ".join(f"{name} {a:.1f} ({b:.1f})" for name, (a, b) in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", type=int, default=1, choices=(0, 1))
    parser.add_argument("--each", type=int, default=9, help="still and true clips of each person")
    parser.add_argument("--frames", type=int, default=900, help="of a long film; 0: none")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        still, true, errors, peaks = clips(options.half, options.each, folder)
        print(f"still clips: {np.sum(still > 0)} of {len(still)} seen")
        print(
            f"true clips: {np.sum(true == 0)} of {len(true)} not seen, of peaks (pixels) ", end=""
        )
        print(*(f"{peak:.2f}" for peak, one in zip(peaks, true, strict=True) if not one))
        print(f"errors in frames, median (90 %): {told(errors)}")
        if options.frames:
            right, found, put_in, errors = long_films(options.half, options.frames, folder)
            print(f"long films: {put_in} put in, {found} found, {right} right (IoU 0.5), ", end="")
            print(f"F1 {2 * right / (found + put_in):.2f}; errors {told(errors)}")


if __name__ == "__main__":
    main()
