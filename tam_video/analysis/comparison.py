"""For each pair of runs on one clip, compare the maps of the words in both answers.

Maps of different methods and models have different scales, so each map is divided by its maximum
before two are subtracted: a difference shows where and when, not how strongly. The figures of
`agreement` do not depend on the scale.
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
    """The agreement of two runs on a word that both answers contain.

    Attributes:
        text: its spelling in the first run.
        first: its index in the words of the first run.
        second: its index in the words of the second run.
        figures: the agreement of its maps.
    """

    text: str
    first: int
    second: int
    figures: Agreement


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The comparison of two runs.

    Attributes:
        first: index of the first run.
        second: index of the second run.
        words: the content words that both answers contain, in the order of the first.
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
    """All pairs of runs on one clip.

    Attributes:
        names: the names of the runs.
        explanations: the runs.
        grid: the grid on which their maps were read.
        pairs: every pair.
    """

    names: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    grid: CommonGrid
    pairs: tuple[Pair, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `comparison.json`, without the difference maps."""
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
    """Compare several runs on the same clip by the maps of their first inputs.

    Maps are read on the finest grid of all runs, in space and by presentation time.

    Args:
        explanations: 2 to `MAX_RUNS` runs, of any models, methods, settings and questions.
        names: the name of each run.

    Raises:
        ConfigError: too few or too many runs, different clips, or nothing in common.
    """
    runs = tuple(explanations)
    if not 2 <= len(runs) <= MAX_RUNS:
        raise ConfigError(
            f"can't compare {len(runs)} runs", hint=f"pass 2 to {MAX_RUNS} run folders"
        )
    if len(names) != len(runs):
        raise ValueError(f"there are {len(names)} names, but {len(runs)} runs")
    _check_same_clip(runs, names)
    grid = CommonGrid.of(runs)
    maps = [grid.read(run, run.word_maps) for run in runs]
    pairs = tuple(
        _compare_pair(runs, maps, grid, first, second)
        for first, second in combinations(range(len(runs)), 2)
    )
    return Comparison(tuple(names), runs, grid, pairs)


def shared_words(first: Sequence[Word], second: Sequence[Word]) -> list[tuple[Word, Word]]:
    """Return the content words that both answers contain, in the order of the first answer.

    The k-th occurrence of a word in one answer is paired with the k-th in the other, ignoring case.
    """
    others = dict(_keyed(second))
    return [(word, others[key]) for key, word in _keyed(first) if key in others]


def _keyed(words: Sequence[Word]) -> list[tuple[tuple[str, int], Word]]:
    counts: dict[str, int] = {}
    keyed = []
    for word in words:
        if word.is_content:
            text = word.text.casefold()
            counts[text] = counts.get(text, 0) + 1
            keyed.append(((text, counts[text]), word))
    return keyed


def _compare_pair(
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
            WordAgreement(ours.text, ours.index, theirs.index, figure)
            for (ours, theirs), figure in zip(shared, figures, strict=False)
        ),
        mean=mean_agreement(figures[:-1]),
        answer=figures[-1],
        differences=np.stack([_relative(theirs) - _relative(ours) for ours, theirs in both]),
    )


def _answer_map(explanation: Explanation, maps: FloatArray) -> FloatArray:
    """Return the mean map of all content words, or zeros if there are none: float32 [t, h, w]."""
    content = [word.index for word in explanation.words if word.is_content]
    if not content:
        return np.zeros(maps.shape[1:], np.float32)
    return np.asarray(np.mean(maps[content], axis=0))


def _relative(heat: FloatArray) -> FloatArray:
    peak = heat.max()
    return heat / peak if peak > 0 else heat


def _check_same_clip(runs: Sequence[Explanation], names: Sequence[str]) -> None:
    clips = [
        (run.info.num_frames, run.info.width, run.info.height, round(run.info.duration_seconds, 3))
        for run in runs
    ]
    for name, each in zip(names, clips, strict=True):
        if each != clips[0]:
            raise ConfigError(
                f"{name} and {names[0]} explain different clips: the first has "
                f"{each[1]} x {each[2]} pixels and {each[0]} frames, the second "
                f"{clips[0][1]} x {clips[0][2]} pixels and {clips[0][0]} frames",
                hint="compare runs on the same clip",
            )


def _run(name: str, explanation: Explanation) -> dict[str, Any]:
    settings: Mapping[str, Any] = explanation.settings
    questions = [turn.text for turn in explanation.conversation if turn.role == "user"]
    return {
        "name": name,
        **{key: settings.get(key) for key in ("model", "method", "profile", "layer")},
        "question": questions[-1] if questions else "",
        "answer": explanation.answer,
        "grid": list(explanation.layout.shape),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "words": [
            {"text": each.text, "first": each.first, "second": each.second} | each.figures.as_dict()
            for each in pair.words
        ],
        "mean": pair.mean.as_dict(),
        "answer": pair.answer.as_dict(),
    }
