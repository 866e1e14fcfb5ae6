"""Runs on one clip compared two by two: shared words, their maps on one grid, what differs.

Maps of methods and models have scales of their own, so each map is divided by its maximum before
two are subtracted: a difference tells where and when, not how strong. The figures of `agreement`
need no such step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tam_video.analysis.agreement import Agreement, agreement, mean_agreement
from tam_video.analysis.grid import CommonGrid
from tam_video.errors import ConfigError
from tam_video.render.compare import MAX_RUNS
from tam_video.types import Explanation, FloatArray, Word


@dataclass(frozen=True, slots=True)
class WordAgreement:
    """One word that two runs say.

    Attributes:
        text: as the first run spells it.
        first: its index among the words of the first run.
        second: among those of the second.
        figures: how far the maps agree.
    """

    text: str
    first: int
    second: int
    figures: Agreement


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two runs against each other.

    Attributes:
        first: number of the one run.
        second: number of the other.
        words: the content words that both say, in the order of the first.
        mean: mean over these words.
        answer: agreement of the two answers, each the mean map of all its content words.
        differences: float32 [K + 1, t, h, w] in [-1, 1], map of the second run minus map of the
            first, each divided by its maximum, for the K words and last for the answers.
    """

    first: int
    second: int
    words: tuple[WordAgreement, ...]
    mean: Agreement
    answer: Agreement
    differences: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Runs on one clip, each against each.

    Attributes:
        names: what each run is called.
        explanations: the runs.
        grid: on which their maps were read.
        pairs: every two of them.
    """

    names: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    grid: CommonGrid
    pairs: tuple[Pair, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, those of `comparison.json`; the differences are not among them."""
        grid, view = self.grid, self.grid.view
        return {
            "clip": self.explanations[0].info.path.name,
            "runs": [
                _run(name, each) for name, each in zip(self.names, self.explanations, strict=True)
            ],
            "grid": {
                "t": len(grid.slot_seconds),
                "h": grid.h,
                "w": grid.w,
                "slot_seconds": grid.slot_seconds.tolist(),
                "view": [view.left, view.top, view.right, view.bottom],
            },
            "pairs": [_pair(pair) for pair in self.pairs],
        }


def compare(explanations: Sequence[Explanation], names: Sequence[str]) -> Comparison:
    """Compare runs on one clip; of several inputs the first is meant.

    Maps are read on the finest grid of all runs, in space and by presentation time.

    Args:
        explanations: 2 to `MAX_RUNS` runs, of any models, methods, settings and questions.
        names: what each is called.

    Raises:
        ConfigError: too few or too many runs, other clips, or runs that see nothing in common.
        ValueError: a map is not finite, or there is not one name a run.
    """
    runs = tuple(explanations)
    if not 2 <= len(runs) <= MAX_RUNS:
        raise ConfigError(
            f"{len(runs)} runs can't be compared", hint=f"give 2 to {MAX_RUNS} run folders"
        )
    if len(names) != len(runs):
        raise ValueError(f"{len(names)} names are given for {len(runs)} runs")
    _check_same_clip(runs, names)
    grid = CommonGrid.of(runs)
    maps = [grid.read(run, run.word_maps) for run in runs]
    pairs = tuple(
        _compared(runs, maps, grid, first, second)
        for first, second in combinations(range(len(runs)), 2)
    )
    return Comparison(tuple(names), runs, grid, pairs)


def shared_words(first: Sequence[Word], second: Sequence[Word]) -> list[tuple[Word, Word]]:
    """The content words that two answers share: the k-th "red" of one is the k-th of the other.

    Upper and lower case don't differ. In the order of the first answer.
    """
    places = dict(_keyed(second))
    return [(word, places[key]) for key, word in _keyed(first) if key in places]


def _keyed(words: Sequence[Word]) -> list[tuple[tuple[str, int], Word]]:
    counts: dict[str, int] = {}
    found = []
    for word in words:
        if word.is_content:
            text = word.text.casefold()
            counts[text] = counts.get(text, 0) + 1
            found.append(((text, counts[text]), word))
    return found


def _compared(
    runs: Sequence[Explanation],
    maps: Sequence[FloatArray],
    grid: CommonGrid,
    first: int,
    second: int,
) -> Pair:
    shared = shared_words(runs[first].words, runs[second].words)
    answers = [_answer_map(runs[k], maps[k]) for k in (first, second)]
    both = [(maps[first][ours.index], maps[second][theirs.index]) for ours, theirs in shared]
    both.append((answers[0], answers[1]))
    figures = [agreement(*each, grid.slot_seconds) for each in both]
    return Pair(
        first,
        second,
        words=tuple(
            WordAgreement(ours.text, ours.index, theirs.index, told)
            for (ours, theirs), told in zip(shared, figures, strict=False)
        ),
        mean=mean_agreement(figures[:-1]),
        answer=figures[-1],
        differences=np.stack([_relative(theirs) - _relative(ours) for ours, theirs in both]),
    )


def _answer_map(explanation: Explanation, maps: FloatArray) -> FloatArray:
    """float32 [t, h, w]: mean of the content words' maps, 0 for an answer without any."""
    content = [word.index for word in explanation.words if word.is_content]
    if not content:
        return np.zeros(maps.shape[1:], np.float32)
    return np.asarray(np.mean(maps[content], axis=0))


def _relative(heat: FloatArray) -> FloatArray:
    peak = heat.max()
    return heat / peak if peak > 0 else heat


def _check_same_clip(runs: Sequence[Explanation], names: Sequence[str]) -> None:
    told = [
        (run.info.num_frames, run.info.width, run.info.height, round(run.info.duration_seconds, 3))
        for run in runs
    ]
    for name, each in zip(names, told, strict=True):
        if each != told[0]:
            raise ConfigError(
                f"{name} is of another clip than {names[0]}: "
                f"{each[1]} x {each[2]}, {each[0]} frames, not "
                f"{told[0][1]} x {told[0][2]}, {told[0][0]} frames",
                hint="compare runs on one clip",
            )


def _run(name: str, explanation: Explanation) -> dict[str, Any]:
    settings: Mapping[str, Any] = explanation.settings
    asked = [turn.text for turn in explanation.conversation if turn.role == "user"]
    return {
        "name": name,
        **{key: settings.get(key) for key in ("model", "method", "profile", "layer")},
        "question": asked[-1] if asked else "",
        "answer": explanation.answer,
        "grid": list(explanation.layout.shape),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "words": [
            {
                "text": word.text,
                "first": word.first,
                "second": word.second,
                **word.figures.as_dict(),
            }
            for word in pair.words
        ],
        "mean": pair.mean.as_dict(),
        "answer": pair.answer.as_dict(),
    }
