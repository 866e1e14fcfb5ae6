"""Measure and report the progress of the stages of a run.

Owns the callback types of the whole package and the timer. Does not know what the stages do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

StageProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with a stage's name, the number of steps done, and the total (0 if unknown)."""
StepProgress: TypeAlias = Callable[[int, int], None]
"""Called with the number of steps done and the total."""


@dataclass(slots=True)
class StageTimer:
    """Measure the duration of named stages and report their progress."""

    progress: StageProgress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report the start of a stage, and add the stage's duration to `seconds`."""
        self.report(name, 0, 0)
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def report(self, name: str, done: int, total: int) -> None:
        """Call the progress callback, if there is one."""
        if self.progress is not None:
            self.progress(name, done, total)
