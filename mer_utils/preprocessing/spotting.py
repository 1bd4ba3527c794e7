"""What moves in the face of one film: intervals of onset, apex and offset, or none.

The face is followed by `following`. The flow of its cells is smoothed over time and compared with
the face at rest: in a film of up to SHORT frames its beginning, else the running median. The
movement of a frame is the mean length over the twentieth of the cells that move most. It is called
seen where it is larger than what still frames of the same film show by a factor.

That level depends on the noise of the film, which its changes from frame to frame tell, and on how
far the head is from where it was at rest. Factor and level are fitted to still and moving films of
synthetic persons (`benchmarks/spotting.py`), and tested on others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from ..corpora.frames import IMAGES
from ..corpora.table import FRAME_NUMBERS
from ..errors import StudyError
from . import faces, images
from .following import Followed, Stretch, follow

MOST = 9000  # frames that are looked at: of a longer film every second, third, ...
FEWEST = 5  # frames of a film or a stretch, to tell its noise
SHORT = 100  # frames: a film of one expression, which begins with the face at rest
WINDOW = 20.0  # seconds in which the face at rest is the median
RATE = 30.0  # frames per second of a folder, to count seconds of WINDOW only
SMOOTHING = 1.0  # frames, standard deviation
MOVING = 0.05  # of the cells
# Movement of still frames in pixels of the aligned face: a sum of a constant, of the noise, and of
# the pixels that the head has moved. Fitted to eleven synthetic persons; the seven who are left are
# the first half of each release.
STILL = (0.028, 3.32, 0.035)
FACTOR = 1.5  # times that: seen. What it costs on either half is in LOG.md
PROMINENT = 0.5  # of its height: a peak rises by that over what is between it and a higher one
MICRO = 0.5  # seconds, the longest micro-expression
REST = 0.2  # of the level: what the first frames of a short film show
FOOT = 0.1  # of the height of a peak: where it begins and ends
EYES, TURN, BLUR, SLOW = 40.0, 0.13, 0.85, 50.0  # pixels; share; share; frames per second
COLUMNS = (*FRAME_NUMBERS, *(f"{moment}_seconds" for moment in FRAME_NUMBERS))


@dataclass(frozen=True)
class Film:
    """What was found. Movement is in pixels of the aligned face, whose eyes are 45 apart.

    course: frame, seconds, movement (NaN without a face); still: the movement that frames of this
    film show while the face is still; from FACTOR times that on a movement is seen. intervals:
    COLUMNS, movement at the apex, seen. Frames are numbered as on disk, a video's from 1; seconds
    begin at the first frame and are NaN where the frame rate is not known. quality: sentences.
    """

    name: str
    count: int
    fps: float | None
    course: pd.DataFrame
    still: float
    intervals: pd.DataFrame
    quality: list[str]


def search(
    place: Path | str,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    progress: bool = False,
) -> Film:
    """Looks through a video, or a folder of frames. Raises StudyError where it shows no face.

    onset, apex, offset: frame numbers that are known; with one of them there is one interval, which
    may be unseen. progress: show a bar.
    """
    place = Path(place)
    frames, fps = _opened(place)
    numbers = sorted(frames)
    moments = [None if number is None else int(number) for number in (onset, apex, offset)]
    given = [number for number in moments if number is not None]
    _check(place.name, numbers, moments, given)
    step = -(-len(numbers) // MOST)
    rate = (fps or RATE) / step  # frames looked at in a second
    looked = sorted({*numbers[::step], numbers[-1]})
    bar = tqdm(looked, place.name, unit="frame", disable=not progress)
    film = follow(bar, lambda number: frames[number].decode(), max(1, round(2 * rate)))
    stretches = [stretch for stretch in film.stretches if len(stretch.numbers) >= FEWEST]
    followed = {number for stretch in stretches for number in stretch.numbers}
    film.missing = [number for number in looked if number not in followed]
    if not stretches:
        sentence = f"{place.name} shows no face in the {len(looked)} frames looked at"
        raise faces.NoFace(f"{sentence}: film it from the front, upright and larger")
    alone = len(looked) <= SHORT and len(stretches) == 1
    traces = [Trace(stretch, round(WINDOW * rate), moments[0]) for stretch in stretches]
    intervals = []
    for trace in traces:
        intervals += trace.main(moments) if given or alone else trace.intervals()
    if given and not intervals:
        span = f"from {given[0]} to {given[-1]}"
        raise StudyError(f"{place.name} does not show one face in all frames {span}: give others")

    def seconds(frames: Sequence[int]) -> np.ndarray:
        return (np.asarray(frames, float) - numbers[0]) / (fps or np.nan)

    course, table = _tables(looked, traces, intervals, seconds)
    still = float(np.median(np.concatenate([trace.level for trace in traces])))
    quality = _quality(film, len(looked), fps, step, seconds)
    quality += [] if onset is not None else _both_ways(course, table[table["seen"].astype(bool)])
    return Film(place.name, len(numbers), fps, course, still, table, quality)


def _tables(looked, traces, intervals, seconds: Callable) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`course` and `intervals` of a Film."""
    moved = {n: m for trace in traces for n, m in zip(trace.numbers, trace.movement, strict=True)}
    course = pd.DataFrame({"frame": looked, "seconds": seconds(looked)})
    course["movement"] = [moved.get(number, np.nan) for number in looked]
    table = pd.DataFrame(intervals, columns=[*FRAME_NUMBERS, "movement", "seen"])
    for moment in FRAME_NUMBERS:
        table[f"{moment}_seconds"] = seconds(table[moment])
    return course, table[[*COLUMNS, "movement", "seen"]]


def _opened(place: Path) -> tuple[dict, float | None]:
    """Frames by number, and frames per second of a video."""
    if place.is_dir():
        frames = images.files(place)
        if not frames:
            raise StudyError(f"{place.name} holds no frames: give a folder of images or a video")
        return frames, None
    if not place.exists():
        raise StudyError(f"{place.name} is not there: give a video or a folder of frames")
    if place.suffix.lower() in IMAGES - {".gif"}:
        raise StudyError(f"{place.name} is a single image: give a video or a folder of frames")
    video = images.Video(place)
    frames = {number: images.VideoFrame(video, number) for number in range(1, video.count() + 1)}
    fps = cv2.VideoCapture(str(place)).get(cv2.CAP_PROP_FPS)
    return frames, float(fps) if 1 <= fps <= 10000 else None


def _check(name: str, numbers: list[int], moments: list[int | None], given: list[int]) -> None:
    if len(numbers) < FEWEST:
        raise StudyError(f"{name} has too few frames, {len(numbers)}: give {FEWEST} or more")
    what = f"onset, apex and offset of {name} are given as {moments}"
    if any(not numbers[0] <= number <= numbers[-1] for number in given):
        span = f"{numbers[0]} to {numbers[-1]}"
        raise StudyError(f"{what}, but it holds frames {span}: choose among them")
    if given != sorted(given):
        raise StudyError(f"{what}: give them in order of time")


class Trace:
    """Movement of one stretch, (T,) each: `movement`, and `level` of a still face."""

    def __init__(self, stretch: Stretch, window: int, onset: int | None):
        self.numbers = np.array(stretch.numbers)
        cells = np.array(stretch.cells)  # (T, 2, n)
        noise = _noise(cells)
        short = onset is not None or len(cells) <= SHORT
        start = (0 if onset is None else self._position(onset)) if short else None
        moved, shift = (
            _from_rest(np.array(values, np.float32), start, window)
            for values in (cells, stretch.head)
        )
        lengths = np.sort(np.hypot(moved[:, 0], moved[:, 1]), axis=1)
        most = max(5, int(MOVING * lengths.shape[1]))
        self.movement = lengths[:, -most:].mean(axis=1)
        self.level = STILL[0] + STILL[1] * noise + STILL[2] * np.hypot(*shift.T)
        self.rest = REST * self.level.mean() if short else np.median(self.movement)

    def _position(self, number: int) -> int:
        return int(np.abs(self.numbers - number).argmin())

    def intervals(self) -> list[tuple]:
        """(onset, apex, offset, movement, seen) of every movement that is seen."""
        from scipy.signal import find_peaks, peak_prominences  # half a second, of many kernels

        peaks, _ = find_peaks(np.pad(self.movement, 1), np.pad(FACTOR * self.level, 1))
        rises, _, _ = peak_prominences(np.pad(self.movement, 1), peaks)
        peaks = peaks[rises > PROMINENT * self.movement[peaks - 1]] - 1
        intervals = []
        for peak in sorted(peaks, key=lambda peak: -self.movement[peak]):
            number = self.numbers[peak]
            if not any(onset <= number <= offset for onset, _, offset, *_ in intervals):
                intervals.append(self._interval(self.movement, peak, 0, len(self.numbers) - 1))
        return sorted(intervals)

    def main(self, moments: list[int | None]) -> list[tuple]:
        """The one interval as `intervals`; of frames that are known, also if it is not seen."""
        given = [number for number in moments if number is not None]
        if given and not self.numbers[0] <= given[0] <= given[-1] <= self.numbers[-1]:
            return []
        first, apex, last = (None if one is None else self._position(one) for one in moments)
        first, last = first or 0, len(self.numbers) - 1 if last is None else last
        peak = first + int(self.movement[first : last + 1].argmax()) if apex is None else apex
        below = self.movement.clip(max=self.movement[peak])  # a known apex need not be the highest
        *found, movement, seen = self._interval(below, peak, first, last)
        merged = (a if b is None else b for a, b in zip(found, moments, strict=True))
        return [(*merged, movement, seen)] if given or seen else []

    def _interval(self, course: np.ndarray, peak: int, first: int, last: int) -> tuple:
        onset = max(first, peak - _foot(course[first : peak + 1][::-1], self.rest))
        offset = min(last, peak + _foot(course[peak : last + 1], self.rest))
        seen = bool(course[peak] > FACTOR * self.level[peak])
        return (*self.numbers[[onset, peak, offset]].tolist(), float(course[peak]), seen)


def _foot(side: np.ndarray, low: float) -> int:
    """Frames from an apex to where its movement begins or ends.

    side: the movement from the apex on, outwards; low: of a face at rest. Half a cosine through the
    places with half of the height and with FOOT of it leads there.
    """
    higher = side > side[0]
    side = side[: higher.argmax()] if higher.any() else side
    low = max(side.min(), min(low, side[0] / 2))
    half, foot = (int((side <= low + share * (side[0] - low)).argmax()) for share in (0.5, FOOT))
    angle = np.arccos(1 - 2 * FOOT)
    return round(foot + (foot - half) * angle / (np.pi / 2 - angle))


def _noise(cells: np.ndarray) -> float:
    """Pixels, standard deviation of a typical cell: what second differences hold."""
    change = np.abs(cells[2:] - 2 * cells[1:-1] + cells[:-2])[1:] / np.sqrt(6)
    return float(np.median(1.4826 * np.median(change, axis=0)))


def _from_rest(values: np.ndarray, start: int | None, window: int) -> np.ndarray:
    """(T, ...) smoothed, less the face at rest: around `start`, or the running median."""
    smooth = gaussian_filter1d(values, SMOOTHING, axis=0, mode="nearest")
    if start is not None:
        return smooth - smooth[start : start + 2].mean(axis=0)
    centres = np.arange(0, len(smooth), max(1, window // 20))
    flat = smooth.reshape(len(smooth), -1)
    spans = (slice(max(0, at - window // 2), at + window // 2 + 1) for at in centres)
    rest = np.stack([np.median(flat[span], axis=0) for span in spans])
    positions = np.interp(np.arange(len(smooth)), centres, np.arange(len(centres)))
    below = positions.astype(int)
    share = (positions - below)[:, None].astype(np.float32)
    above = np.minimum(below + 1, len(centres) - 1)
    return (flat - (1 - share) * rest[below] - share * rest[above]).reshape(values.shape)


def _quality(film: Followed, count: int, fps: float | None, step: int, seconds) -> list[str]:
    """Sentences about what makes the answer less sure."""
    apart, turn, blur = np.median(film.looks, axis=0)
    several, blank = sum(people > 1 for people in film.people), len(film.blank)
    second = f"A second face is in {several} of {len(film.people)} frames: the largest is read."
    slow = f"The film has {fps or 0:.0f} frames per second, fewer than {SLOW:.0f}: most micro-"
    sentences = (
        (apart < EYES, f"The eyes are only {apart:.0f} pixels apart: film the face larger."),
        (blur > BLUR, "The picture is blurred: small movements are lost in it."),
        (turn > TURN, "The face is turned to the side; movement is measured best from the front."),
        (several, second),
        (fps is None, "The frame rate is not known: times are frame numbers only."),
        ((fps or SLOW) < SLOW, slow + "expressions are 2 to 10 frames of it, and some are missed."),
        (step > 1, f"The film is long: one frame of {step} is looked at."),
        (blank, f"{blank} of its {count} frames are blank, without contrast."),
    )
    return [sentence for holds, sentence in sentences if holds] + _gaps(film, step, seconds)


def _both_ways(course: pd.DataFrame, seen: pd.DataFrame) -> list[str]:
    """A sentence about movements that last or do not come back, if there are any."""
    at = course.set_index("frame")["movement"]
    ends = at.reindex(seen["onset"]).to_numpy(), at.reindex(seen["offset"]).to_numpy()
    lasts = seen["offset_seconds"] - seen["onset_seconds"] > MICRO
    doubtful = seen[lasts | (np.fmax(*ends) > seen["movement"] / 2)]
    if doubtful.empty:
        return []
    span = "frames {:.0f} to {:.0f}".format(*doubtful[["onset", "offset"]].iloc[0])
    return [
        f"{len(doubtful)} of {len(seen)} movements (first: {span}) last longer than a micro-"
        "expression or do not come back: such a movement leads into an expression or out of one, "
        "for the film does not tell which face is neutral. Give the onset where it is known."
    ]


def _gaps(film: Followed, step: int, seconds: Callable) -> list[str]:
    if not film.missing:
        return []
    missing = np.array(film.missing)
    parts = np.split(missing, 1 + np.flatnonzero(np.diff(missing) > step))
    spans = []
    for part in parts[:10]:
        begin, end = seconds(part[0]), seconds(part[-1])
        times = "" if np.isnan(begin) else f" ({begin:.1f} to {end:.1f} s)"
        spans.append(f"{part[0]} to {part[-1]}{times}")
    more = f" and {len(parts) - 10} more" if len(parts) > 10 else ""
    return [f"No face was found in frames {', '.join(spans)}{more}: they are cut out."]
