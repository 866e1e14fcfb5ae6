"""Shared parts of the training stages: checkpoints, log, learning rate, counts of answers."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


def learning_rate(step: int, *, peak: float, warmup: int, total: int) -> float:
    """Return a linear warm-up, a constant, then a cosine over the last 40 % to 2 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    part = max(0.0, (step / total - 0.6) / 0.4)
    return peak * (
        0.02 + 0.98 * 0.5 * (1 + float(torch.cos(torch.tensor(min(part, 1.0) * 3.1415927))))
    )


@dataclass
class Journal:
    """A folder with `state.pt` (model, optimiser, counters) and `log.jsonl`."""

    folder: Path
    counters: dict[str, Any] = field(
        default_factory=lambda: {"step": 0, "clips": 0, "seconds": 0.0}
    )
    saved: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def resume(self, model: Any, optimizer: Any) -> None:
        """Load the last state, if there is one."""
        path = self.folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self.counters.update(state["counters"])

    def save(self, model: Any, optimizer: Any, *, every_seconds: float = 0.0) -> None:
        """Write the state, at most once per `every_seconds`."""
        if time.time() - self.saved < every_seconds:
            return
        path = self.folder / "state.pt"
        temporary = path.with_suffix(".tmp")
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "counters": self.counters,
        }
        torch.save(state, temporary)
        temporary.rename(path)
        self.saved = time.time()

    def log(self, **values: Any) -> None:
        """Append a line to the log and print it."""
        line = json.dumps({**self.counters, **values})
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


class Tally:
    """Running counts of exact answers per kind of question."""

    def __init__(self) -> None:
        self.right: dict[str, float] = defaultdict(float)
        self.total: dict[str, float] = defaultdict(float)

    def add(self, kind: str, right: bool) -> None:
        """Count one answer."""
        self.right[kind] += right
        self.total[kind] += 1

    def rates(self) -> dict[str, float]:
        """Return the fraction of exact answers, by kind."""
        return {kind: round(self.right[kind] / n, 3) for kind, n in sorted(self.total.items())}

    def need(self) -> dict[str, float]:
        """Return the fraction of wrong answers, by kind."""
        return {kind: 1 - rate for kind, rate in self.rates().items()}

    def fade(self, share: float = 0.3) -> None:
        """Scale the counts so far by `share`."""
        for counts in (self.right, self.total):
            for kind in counts:
                counts[kind] *= share
