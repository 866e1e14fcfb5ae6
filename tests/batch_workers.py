"""Workers that do what an item's question says, at once and without a model.

They make real run folders through the real storage, so that everything but the model is tested.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tam_video.batch.jobs import ItemRequest, Job, Outcome, is_out_of_memory
from tam_video.batch.object_store import open_storage
from tam_video.batch.work import outcome_of
from tam_video.errors import ModelError, VideoDecodeError
from tam_video.export.manifest import new_run_folder
from tam_video.workspace.files import wrap_os_errors


@dataclass(frozen=True, slots=True)
class ScriptedWork:
    """Makes a worker; `traces` gets a line for each stage that was entered."""

    out: str
    traces: str
    label: str = "ledger"
    start_error: str = ""
    seconds: float = 0.0

    def __call__(self) -> ScriptedWorker:
        if self.start_error:
            raise ModelError(self.start_error, hint="as asked")
        return ScriptedWorker(self)


class ScriptedWorker:
    """Questions: `ok`, `fail STAGE`, `bug STAGE`, `hang STAGE`, `die STAGE [TIMES]`, `full`..."""

    def __init__(self, work: ScriptedWork) -> None:
        self._work = work
        self._storage = open_storage(work.out)
        self._folder = self._storage.work_folder(work.label)

    def find(self, question: ItemRequest) -> Outcome | None:
        folder = self._storage.fetch_run(question.run)
        return None if folder is None else outcome_of(folder, question)

    def read(self, job: Job) -> str:
        for question in job.questions:
            self._act("read", question)
        return job.videos[0]

    def answer(self, job: Job, question: ItemRequest, clip: str) -> str:
        self._act("answer", question)
        return f"{question.turns[-1].text} of {Path(clip).name}"

    def write(self, job: Job, question: ItemRequest, clip: str, answered: str) -> Outcome:
        self._act("write", question)
        made = self._folder / question.run
        with new_run_folder(made) as folder:
            record = {"answer": answered, "warnings": [], "timings_seconds": {"read": 0.5}}
            (folder / "explanation.json").write_text(json.dumps(record))
            seed = int(question.key[:8], 16)
            np.savez(folder / "maps.npz", maps=np.random.default_rng(seed).random((2, 3, 3)))
        outcome = outcome_of(made, question)
        self._storage.publish(made, question.run)
        self._act("published", question)
        return outcome

    def forget(self, clip: str) -> None:
        self._trace(f"forget {Path(clip).name}")

    def close(self) -> None:
        self._trace("close")

    def _act(self, stage: str, question: ItemRequest) -> None:
        text = question.turns[-1].text
        self._trace(f"{stage} {text} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
        time.sleep(self._work.seconds)
        what, _, rest = text.partition(" ")
        where, _, times = rest.partition(" ")
        if where != stage:
            return
        if what == "fail":
            raise VideoDecodeError("as asked", hint="ask for something else")
        if what == "bug":
            raise KeyError("not ours")
        if what == "memory":
            raise MemoryError
        if what == "hang":
            time.sleep(600)
        if what == "full":
            with wrap_os_errors(Path("out")):
                raise OSError(28, "No space left on device")
        if what == "die" and self._is_early(question, int(times) if times.isdigit() else 99):
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_early(self, question: ItemRequest, times: int) -> bool:
        """Whether this happened fewer times than `times`."""
        path = Path(self._work.traces).with_suffix(f".{question.key[:12]}")
        before = path.stat().st_size if path.exists() else 0
        with path.open("a") as file:
            file.write("x")
        return before < times

    def _trace(self, text: str) -> None:
        with Path(self._work.traces).open("a", errors="backslashreplace") as file:
            file.write(text + "\n")


class OnceOutOfMemory:
    """A model in front of another that fails once for lack of memory, as torch does."""

    def __init__(self, model: object) -> None:
        self._model, self.num_failures = model, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def generate(self, *args: object, **options: object) -> object:
        if not self.num_failures:
            self.num_failures += 1
            raise ModelError("tiny ran out of memory") from MemoryError()
        return self._model.generate(*args, **options)  # type: ignore[attr-defined]


def ledger_lines(out: Path) -> list[dict[str, object]]:
    """All whole lines of all ledgers of a batch."""
    paths = sorted(out.glob("ledger*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def finished_once(lines: Sequence[Mapping[str, object]]) -> bool:
    """Whether no key was finished twice."""
    done = [line["key"] for line in lines if line["status"] == "done"]
    return len(done) == len(set(done))


__all__ = ["OnceOutOfMemory", "ScriptedWork", "finished_once", "is_out_of_memory", "ledger_lines"]
