"""Lines of progress, with the time left."""

import time
from dataclasses import dataclass

from ..experiments import Experiment, store
from .execution import Job

EVERY = 15.0  # seconds between two lines about a run that trains
READERS = 2  # notebooks that train nothing gain by running two at a time, not by more


@dataclass(frozen=True)
class Step:
    """One report to make."""

    job: Job
    state: str  # what is there already, and why it is made or left
    seconds: float  # expected; 0 where nothing has changed
    run: Experiment | None = None  # that it trains
    folds: int = 0  # of that run, in all

    @property
    def unchanged(self) -> bool:
        return self.seconds == 0


class Progress:
    """Expected seconds of every step, corrected while a run trains."""

    def __init__(self, steps: list[Step], trained_at_once: int):
        self.steps = {step.job.name: step for step in steps}
        self.expected = {step.job.name: step.seconds for step in steps}
        self.trained_at_once = trained_at_once
        self.began: dict[str, float] = {}
        self.folds: dict[str, int] = {}  # that were there when a run began
        self.next_line = 0.0

    def left(self) -> float:
        """Seconds until all is done."""
        now = time.monotonic()
        training = reading = 0.0
        for name, expected in self.expected.items():
            seconds = max(expected - (now - self.began.get(name, now)), 0.0)
            if self.steps[name].run:
                training += seconds
            else:
                reading += seconds
        return training / self.trained_at_once + reading / READERS

    def outlook(self) -> str:
        runs = sum(step.run is not None for step in self.steps.values())
        counts = f"{counted(len(self.steps), 'report')}, {counted(runs, 'run')} to train"
        return f"{counts}: about {clock(self.left())}"

    def started(self, job: Job) -> None:
        self.began[job.name] = time.monotonic()
        self.next_line = time.monotonic() + EVERY
        if run := self.steps[job.name].run:
            self.folds[job.name] = len(store.finished_folds(run.key))

    def tick(self) -> None:
        """A line now and then about each run that trains."""
        now = time.monotonic()
        if now < self.next_line:
            return
        self.next_line = now + EVERY
        for name in [name for name in self.began if self.steps[name].run and name in self.expected]:
            step = self.steps[name]
            done = len(store.finished_folds(step.run.key))
            if new := done - self.folds[name]:
                share = new / (step.folds - self.folds[name])
                self.expected[name] = (now - self.began[name]) / share
            say(f"        {name}: {done} of {step.folds} subjects, about {clock(self.left())} left")

    def ended(self, job: Job, remark: str = "") -> None:
        del self.expected[job.name]
        done, total = len(self.steps) - len(self.expected), len(self.steps)
        parts = [clock(time.monotonic() - self.began[job.name])] if job.name in self.began else []
        parts += [remark] if remark else []
        parts += [f"about {clock(self.left())} left"] if self.expected else []
        say(f"[{done:>2}/{total}] {job.label or job.name}: {', '.join(parts)}")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def say(line: str) -> None:
    print(line, flush=True)
