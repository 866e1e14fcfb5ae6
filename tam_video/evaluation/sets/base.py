"""What a public set is: items in a folder that the user downloaded, and what is scored on them.

Owns: the values that the readers of all families give. Nothing is downloaded here, and what is
missing is an error that says where it is published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from tam_video.errors import DatasetError
from tam_video.evaluation.clip import Score
from tam_video.evaluation.score import AnswerTruth
from tam_video.types import FrameBatch, Generation

CURVE_NAMES: tuple[str, ...] = (
    "insertion",
    "insertion_space",
    "insertion_time",
    "deletion",
    "deletion_space",
    "deletion_time",
)
STILL_CURVES: tuple[str, ...] = ("insertion", "deletion")
"""A still picture has one slot: its curves by place are those of its cells."""
PLACE_NAMES: tuple[str, ...] = ("viou", "pointing", "energy", "jf", "auc")
TIME_NAMES: tuple[str, ...] = ("temporal_energy", "tiou", "iop", "coherence", "temporal_auc")
VIDEO_QUESTION = "Describe the video."
IMAGE_QUESTION = "Describe the image."


@dataclass(frozen=True, slots=True)
class Frames:
    """A video as image files, in display order.

    Attributes:
        paths: one file a frame.
        fps: frames per second, for the files hold no times.
    """

    paths: tuple[Path, ...]
    fps: float


Visual: TypeAlias = Path | Frames
"""A video or image file, or image files that are a video."""


class Truth(Protocol):
    """What the words of an answer about an item should point at."""

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """What the answer's words should point at, and how maps of it are scored.

        Args:
            batch: the frames that the model saw.
            generation: what it said, or the given answer.

        Raises:
            DatasetError: a mask can't be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetItem:
    """One question about one video or image.

    Attributes:
        name: its name in the set, unlike any other.
        source: the video or image that it is about; items of one source are drawn together.
        visual: what the model is shown.
        question: what it is asked.
        truth: what is right.
        answer: passed through instead of an answer of the model's own; None for that.
    """

    name: str
    source: str
    visual: Visual
    question: str
    truth: Truth
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class SetQuery:
    """What of a set is read.

    Attributes:
        folder: what the user downloaded.
        subset: one of the set's subsets.
        fps: of frames without times.
        question: for sets whose items ask no question of their own.
    """

    folder: Path
    subset: str
    fps: float
    question: str


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public set.

    Attributes:
        name: its key in the registry.
        title: its name for people.
        read: (query) to the items of a subset, in the published order.
        subsets: what may be read, as published; the first by default.
        metrics: what its truth can tell.
        default_metrics: those that are measured where nothing else is asked.
        site: where it is published, in words.
        licence: a hint, not legal advice.
        layout: what the folder holds, one line a file or folder.
        fps: rate of frames without times; 0 where there are none.
        question: what is asked where the items ask nothing; empty where each has its own.
        pools_words: whether a mean is over all words of all items, as published, not over items.
    """

    name: str
    title: str
    read: Callable[[SetQuery], list[SetItem]]
    subsets: tuple[str, ...]
    metrics: tuple[str, ...]
    default_metrics: tuple[str, ...]
    site: str
    licence: str
    layout: tuple[str, ...]
    fps: float = 0.0
    question: str = ""
    pools_words: bool = False

    @property
    def hint(self) -> str:
        """Where it is published, under which licence, and what the folder should hold."""
        return f"get {self.title} from {self.site} ({self.licence}); --data holds " + ", ".join(
            self.layout
        )

    def items(self, query: SetQuery) -> list[SetItem]:
        """Read the items of a subset.

        Raises:
            DatasetError: the folder is not that set, or the subset is empty; the hint tells where
                the set is published.
            MissingDependencyError: a package that its annotations need is not installed.
        """
        with self.hinted():
            if not query.folder.is_dir():
                raise DatasetError(f"{query.folder} is not a folder")
            found = self.read(query)
            if not found:
                raise DatasetError(f"{query.folder} holds no item of {self.name} {query.subset}")
        return found

    @contextmanager
    def hinted(self) -> Iterator[None]:
        """Give an error about the data that has no hint of its own that of the set."""
        try:
            yield
        except DatasetError as exc:
            raise DatasetError(exc.message, hint=exc.hint or self.hint) from exc
