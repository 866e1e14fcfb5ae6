"""Public data sets: how items and ground truth are read from a downloaded folder.

Nothing is downloaded here. Missing data are an error that says where the set is published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from tam_video.datasets.cells import MaskedClip
from tam_video.errors import DatasetError
from tam_video.evaluation.clip import Score
from tam_video.evaluation.score import CURVES, AnswerTruth
from tam_video.evaluation.sets.truths import ReferredTruth
from tam_video.types import FrameBatch, Generation

STILL_CURVES: tuple[str, ...] = ("insertion", "deletion")
"""A still image has one slot: its curves over places are those over cells."""
PLACE_NAMES: tuple[str, ...] = ("viou", "pointing", "energy", "jf", "auc")
TIME_NAMES: tuple[str, ...] = ("temporal_energy", "tiou", "iop", "coherence", "temporal_auc")
VIDEO_METRICS: tuple[str, ...] = (*PLACE_NAMES, *TIME_NAMES, *CURVES)
VIDEO_QUESTION = "Describe the video."
IMAGE_QUESTION = "Describe the image."


@dataclass(frozen=True, slots=True)
class Frames:
    """A video stored as image files, in display order.

    Attributes:
        paths: one file per frame.
        fps: frames per second, because the files have no times.
    """

    paths: tuple[Path, ...]
    fps: float


Visual: TypeAlias = Path | Frames
"""A video or image file, or image files that are a video."""


class Truth(Protocol):
    """Ground truth for the words of an answer about an item."""

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the ground truth of the answer's words, and a function that scores maps.

        Raises:
            DatasetError: a mask can't be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetItem:
    """One question about one video or image.

    Attributes:
        name: its unique name in the set.
        source: its video or image; items of one source are resampled together.
        visual: the input of the model.
        question: the question.
        truth: the ground truth.
        answer: passed through instead of a generated answer; None to generate one.
    """

    name: str
    source: str
    visual: Visual
    question: str
    truth: Truth
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class SetQuery:
    """The part of a data set to read.

    Attributes:
        folder: what the user downloaded.
        subset: one of the set's subsets.
        fps: of frames without times.
        question: for sets whose items have none.
    """

    folder: Path
    subset: str
    fps: float
    question: str


def referred(
    query: SetQuery, name: str, source: str, visual: Visual, masks: MaskedClip, text: str
) -> SetItem:
    """Make an item whose answer is a referring expression, which must not be empty."""
    if not text.strip():
        raise DatasetError(f"the expression {name} is empty")
    return SetItem(name, source, visual, query.question, ReferredTruth(masks), text.strip())


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public data set: how it is read, and which metrics it supports.

    Attributes:
        name: its key in the registry.
        title: its name for people.
        read: (query) to the items of a subset, in the published order.
        subsets: published subsets; the first is the default.
        metrics: metrics that its ground truth supports.
        site: where it is published.
        licence: a hint, not legal advice.
        layout: what the folder holds, one entry per file or folder.
        defaults: metrics that are measured by default; empty for all but the curves.
        fps: rate of frames without times; 0 where there are none.
        question: question of items that have none; empty where each has one.
        pools_words: whether a mean is over all words of all items, as published, not over items.
    """

    name: str
    title: str
    read: Callable[[SetQuery], list[SetItem]]
    subsets: tuple[str, ...]
    metrics: tuple[str, ...]
    site: str
    licence: str
    layout: tuple[str, ...]
    defaults: tuple[str, ...] = ()
    fps: float = 0.0
    question: str = ""
    pools_words: bool = False

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """The metrics that are measured by default."""
        return self.defaults or tuple(name for name in self.metrics if name not in CURVES)

    @property
    def hint(self) -> str:
        """A hint that says where to get the set, its licence, and what the folder must contain."""
        return f"get {self.title} from {self.site} ({self.licence}); --data holds " + ", ".join(
            self.layout
        )

    def items(self, query: SetQuery) -> list[SetItem]:
        """Read the items of a subset.

        Raises:
            DatasetError: the folder does not hold the set, or the subset is empty; the hint says
                where the set is published.
            MissingDependencyError: a package that its annotations need is not installed.
        """
        with self.hinted():
            if not query.folder.is_dir():
                raise DatasetError(f"{query.folder} is not a folder")
            items = self.read(query)
            if not items:
                raise DatasetError(
                    f"{query.folder} contains no items of {self.name}, subset {query.subset}"
                )
        return items

    @contextmanager
    def hinted(self) -> Iterator[None]:
        """Add the set's hint to every data error that has no hint."""
        try:
            yield
        except DatasetError as exc:
            raise DatasetError(exc.message, hint=exc.hint or self.hint) from exc
