"""The learning rate as a function of how much of the time is used.

A stage ends at a wall-clock time, not after a number of steps: on a shared machine nobody knows how many steps an hour
holds. So the decay runs over the fraction of the time that has passed and always reaches its end.
"""

import datetime
import time


class Clock:
    """The fraction of a stage's time that has passed; time spent before a resume counts."""

    def __init__(self, seconds: float, spent: float = 0.0):
        self.seconds, self.start = seconds, time.monotonic() - spent

    @property
    def spent(self) -> float:
        return time.monotonic() - self.start

    def fraction(self, step: int) -> float:
        return min(1.0, self.spent / self.seconds)


class Steps(Clock):
    """The fraction of a number of steps: with it a run gives the same weights again, whatever else the machine does."""

    def __init__(self, steps: int, spent: float = 0.0):
        super().__init__(0.0, spent)
        self.steps = steps

    def fraction(self, step: int) -> float:
        return min(1.0, step / self.steps)


def warm_up(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / steps)


def constant_then_linear(fraction: float, decay_from: float, floor: float = 0.01) -> float:
    """Full rate first: large steps for as long as possible, then straight down."""
    if fraction < decay_from:
        return 1.0
    return max(floor, (1 - fraction) / (1 - decay_from))


def seconds_until(clock_time: str) -> float:
    """From now to the next time the wall clock shows HH:MM."""
    now = datetime.datetime.now()
    end = now.replace(hour=int(clock_time[:2]), minute=int(clock_time[3:]), second=0, microsecond=0)
    return ((end - now) % datetime.timedelta(days=1)).total_seconds()
