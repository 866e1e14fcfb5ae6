"""How often the causal check tells true names of objects from forced false ones.

    python -m benchmarks.word_checks late --clips 100 --out docs/results/word_checks_late.json

For a test clip the true caption is explained, then a caption in which the colour and the noun of
one object are false. `tam-video verify` hides each of these words' tracks and control regions. A
check passes if the word's probability falls by more than at every control region.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checkpoints import checkpoint, known_clip, known_nouns
from tam_video.config import RunConfig
from tam_video.datasets.questions import caption
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS
from tam_video.datasets.worlds import write_scene
from tam_video.metrics.statistics import Interval, mean_interval
from tam_video.models import load_model
from tam_video.pipeline import explain
from tam_video.sampling import read_again
from tam_video.settings.verify import VerifySettings
from tam_video.types import Explanation, WordVerification
from tam_video.verification import plan_verification, verify_words

LEAST_PROBABILITY = 0.5  # a true word that the model would say


@dataclass(frozen=True, slots=True)
class Checked:
    """The check of one word: whether the name is true, and whether its fall is the largest."""

    word: str
    is_true: bool
    probability: float
    falls_most: bool


def false_clip(clip: SceneClip, rng: np.random.Generator, nouns: Sequence[str]) -> SceneClip:
    """Return the clip with a false colour and noun of its first object."""
    colors = [each for each in COLORS if each not in {item.color for item in clip.objects}]
    others = [each for each in nouns if each not in {item.shape for item in clip.objects}]
    first = replace(clip.objects[0], color=str(rng.choice(colors)), shape=str(rng.choice(others)))
    return replace(clip, objects=(first, *clip.objects[1:]))


def falls_most(word: WordVerification) -> bool:
    """Return whether hiding the word's track lowers its probability more than every control."""
    return bool(word.controls) and word.num_beaten == len(word.controls)


def rate_of_true_names(rows: Sequence[Checked]) -> Interval:
    """Return the share of true names, among those the model would say, whose check passes."""
    passed = [
        row.falls_most for row in rows if row.is_true and row.probability >= LEAST_PROBABILITY
    ]
    return mean_interval(passed, is_rate=True)


def check(
    path: Path, answer: str, names: tuple[str, ...], *, model: Any, config: RunConfig, controls: int
) -> dict[str, WordVerification]:
    """Explain an answer, and check the given words of it that occur once."""
    explanation: Explanation = explain(
        path, "Describe the video.", answer=answer, config=config, model=model
    )
    wanted = tuple(
        word.index
        for word in explanation.words
        if word.text.casefold() in names
        and sum(other.text.casefold() == word.text.casefold() for other in explanation.words) == 1
    )
    settings = VerifySettings(words=wanted, num_controls=controls)
    plan = plan_verification(explanation, settings)
    batches = read_again(explanation.inputs, [path], model=model, settings=config)
    result = verify_words(explanation, batches, plan, model=model, settings=settings)
    return {explanation.words[each.word].text.casefold(): each for each in result.words}


def names_of(clip: SceneClip, number: int) -> tuple[str, ...]:
    """Return colour and noun words of an object, in lower case."""
    item = clip.objects[number]
    return tuple(f"{item.color} {item.shape}".casefold().split())


def check_clip(
    seed: int, name: str, *, model: Any, config: RunConfig, controls: int
) -> list[Checked]:
    """Check the true and the false names of one object of a test clip."""
    rng = np.random.default_rng([31, seed])
    clip = known_clip(name, seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(clip, Path(folder) / "clip.mp4")
        wrong = false_clip(clip, rng, known_nouns(name, seed))
        for is_true, described in ((True, clip), (False, wrong)):
            checked = check(
                path,
                caption(described),
                names_of(described, 0),
                model=model,
                config=config,
                controls=controls,
            )
            rows += [
                Checked(text, is_true, word.probability, falls_most(word))
                for text, word in checked.items()
            ]
    return rows


def main() -> None:
    """Check the clips, print the rates, and write every word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--controls", type=int, default=8)
    parser.add_argument("--profile", default="default")
    parser.add_argument("--first-seed", type=int, default=5_000_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    config = RunConfig(model=checkpoint(args.model), profile=args.profile)
    model = load_model(checkpoint(args.model))
    rows: list[Checked] = []
    began = time.time()
    for number in range(args.clips):
        seed = args.first_seed + number
        rows += check_clip(seed, args.model, model=model, config=config, controls=args.controls)
        if (number + 1) % 10 == 0:
            print(f"{number + 1} of {args.clips} clips, {time.time() - began:.0f} s", flush=True)
    wrong = [not row.falls_most for row in rows if not row.is_true]
    rates = {
        "true names: falls more than at every control": rate_of_true_names(rows),
        "false names: does not": mean_interval(wrong, is_rate=True),
    }
    for label, rate in rates.items():
        print(f"{label}: {rate}")
    if args.out:
        document = {
            "model": args.model,
            "clips": args.clips,
            "controls": args.controls,
            **{label: rate.as_dict() for label, rate in rates.items()},
        }
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
