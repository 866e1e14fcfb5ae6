"""Jobs as the plan makes them, for tests of a worker's stages."""

from __future__ import annotations

from tam_video.batch.jobs import ItemRequest, Job
from tam_video.types import Message


def a_job(path, *texts):
    """Some questions on one clip."""
    questions = tuple(
        ItemRequest(f"{n:064x}", f"run-{n}", (Message("user", text, (0,)),))
        for n, text in enumerate(texts)
    )
    return Job(1, (str(path),), questions)
