"""Check the answer of a finished run causally: hide where a word was seen, and run the model again.

For each content word the pixels of its track are hidden, and those of control regions of the same
size, shape and motion elsewhere in the picture. The model is given the same answer again (teacher
forcing), and the probability of the word is compared. Each region is blurred once and made grey
once, and the larger probability counts, so that a fall that only one of the two causes does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from tam_video.config import RunConfig, recorded_config
from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.export.document import load_explanation, with_verification
from tam_video.export.manifest import replace_files
from tam_video.localise import word_tracks
from tam_video.localise.controls import control_masks
from tam_video.models import VideoModel
from tam_video.models.inference import TransformersModel
from tam_video.models.masking import Blank
from tam_video.models.probing import Probe
from tam_video.pipeline import load_model_from_config
from tam_video.render.turns import find_word, shown_words
from tam_video.report.page import report_page
from tam_video.report.writing import REPORT, read_media
from tam_video.sampling import PathLike, read_again
from tam_video.settings.verify import VerifySettings
from tam_video.stages import StageProgress, StageTimer, StepProgress
from tam_video.types import (
    BoolArray,
    Explanation,
    Float64Array,
    FrameBatch,
    Verification,
    WordVerification,
)
from tam_video.video.source import check_sources
from tam_video.workspace.files import wrap_os_errors

FILLS: tuple[Blank, ...] = ("blur", "mean")
"""What hidden pixels show: a strong blur of the frame, and the mean colour of all frames."""
SAME_PROBABILITY = 0.02
"""A larger difference between the answer's probabilities in the run and now is a warning."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionsOfWord:
    """The regions that are hidden to check a word.

    Attributes:
        word: index of the word.
        input: index of the input in which its map is highest.
        masks: bool [1 + n, t, h, w], the track and n control regions; [0, t, h, w] if the map is
            constant.
    """

    word: int
    input: int
    masks: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class VerificationPlan:
    """The regions of all checked words. Equal regions of several words are hidden only once."""

    regions: tuple[RegionsOfWord, ...]

    def unique_masks(self, input: int) -> BoolArray:
        """Return the different regions in an input: bool [U, t, h, w]."""
        masks = {
            mask.tobytes(): mask
            for each in self.regions
            if each.input == input
            for mask in each.masks
        }
        return np.array(list(masks.values()), np.bool_)

    @property
    def num_passes(self) -> int:
        """The number of forward passes: two for the answer, and one for each region and fill."""
        numbers = {each.input for each in self.regions if len(each.masks)}
        num_masks = sum(len(self.unique_masks(number)) for number in numbers)
        return 2 + len(FILLS) * num_masks if num_masks else 0

    @property
    def cost(self) -> str:
        """The cost of the check as one line of text."""
        checked = sum(len(each.masks) > 0 for each in self.regions)
        if not checked:
            return "no word has a track, so the model is not run"
        words = "1 word" if checked == 1 else f"{checked} words"
        return f"{words}, about {self.num_passes} passes of the model"


def plan_verification(explanation: Explanation, settings: VerifySettings) -> VerificationPlan:
    """Choose the regions that are hidden to check the words of an answer.

    Raises:
        ConfigError: a word is not in the answer.
    """
    wanted = [find_word(explanation, word) for word in settings.words]
    words = sorted({word.index for word in wanted or shown_words(explanation)})
    tracks = [word_tracks(explanation, index) for index in range(len(explanation.inputs))]
    regions = []
    for word in words:
        heats = [float(each.word_maps[word].max(initial=0)) for each in explanation.inputs]
        number = int(np.argmax(heats))
        track = tracks[number][word]
        controls = control_masks(
            track.mask,
            track.placement.cells_in_picture(),
            limit=settings.num_controls,
            seed=settings.seed,
        )
        own = track.mask[None][: int(track.mask.any())]
        regions.append(RegionsOfWord(word, number, np.concatenate([own, controls])))
    return VerificationPlan(tuple(regions))


def verify_words(
    explanation: Explanation,
    batches: Sequence[FrameBatch],
    plan: VerificationPlan,
    *,
    model: VideoModel,
    settings: VerifySettings,
    progress: StepProgress | None = None,
) -> Verification:
    """Hide the regions of a plan one after the other, and compare the probabilities of the words.

    Args:
        explanation: the answer.
        batches: the frames of each input that the model was given.
        plan: the regions.
        model: the model of the run.
        settings: the seed of the plan, and how many videos are passed together.
        progress: called with the passes done and their total.

    Raises:
        ConfigError: the model can't be probed.
        ModelError: the model does not fit the run, or fails.
    """
    probe = _probe(explanation, batches, model)
    num_prompt = probe.generation.num_prompt_tokens
    whole = np.ones((1, *probe.generation.layouts[0].shape), np.bool_)
    shown = probe.score_masked(whole, batch_size=1)[0]
    scores = _hidden_scores(probe, plan, settings.batch_size, progress)
    words = []
    for each in plan.regions:
        tokens = [i - num_prompt for i in explanation.words[each.word].token_indices]
        values = [
            max(_probability(fill[tokens]) for fill in scores[each.input, mask.tobytes()])
            for mask in each.masks
        ]
        hidden, controls = (values[0], tuple(values[1:])) if values else (None, ())
        words.append(
            WordVerification(each.word, each.input, _probability(shown[tokens]), hidden, controls)
        )
    return Verification(
        tuple(words),
        1 + probe.cost.forward,
        settings.seed,
        tuple(_warnings(explanation, np.exp(shown))),
    )


def _probe(explanation: Explanation, batches: Sequence[FrameBatch], model: VideoModel) -> Probe:
    """Make a probe for the recorded tokens of an answer, after one pass of the model."""
    if not isinstance(model, TransformersModel):
        raise ConfigError(
            f"{model.name} can't be run on changed videos", hint="use a model that tam-video loads"
        )
    generation = model.generate(batches, explanation.conversation, answer=explanation.answer)
    prompt = [token.id for token in explanation.tokens if token.role == "prompt"]
    shapes = [each.layout.shape for each in explanation.inputs]
    if (
        prompt != [token.id for token in generation.tokens[: generation.num_prompt_tokens]]
        or [layout.shape for layout in generation.layouts] != shapes
    ):
        raise TokenAlignmentError(
            "the model encodes the prompt or the frames differently than in the run",
            hint="use the model and the versions of the run, or explain the clip again",
        )
    start = generation.tokens[generation.num_prompt_tokens].position
    positions = [each.position for each in explanation.tokens if each.role == "answer"]
    if positions != list(range(start, start + len(positions))):
        raise ConfigError(
            "the answer has control tokens before or between its words, which no run records",
            hint="explain the text of the answer with --answer, and verify that run",
        )
    tokens = explanation.tokens  # as generated: the text alone may be cut into other tokens
    recorded = replace(
        generation,
        tokens=tokens,
        text_positions=np.array([token.position for token in tokens], np.int64),
        scores=np.zeros((0, len(tokens)), np.float32),
        layer_scores=(),
    )
    return Probe(model, batches, recorded)


def _hidden_scores(
    probe: Probe, plan: VerificationPlan, batch_size: int, progress: StepProgress | None
) -> dict[tuple[int, bytes], list[Float64Array]]:
    """Compute the log-probabilities of the tokens, float64 [J], for each region and fill."""
    scores: dict[tuple[int, bytes], list[Float64Array]] = {}
    total = plan.num_passes - 2
    done = 0

    def report(part: int, _parts: int) -> None:
        if progress is not None:
            progress(done + part, total)

    for number in sorted({each.input for each in plan.regions if len(each.masks)}):
        masks = plan.unique_masks(number)
        for fill in FILLS:
            hidden = probe.score_masked(
                ~masks, number=number, blank=fill, batch_size=batch_size, progress=report
            )
            done += len(masks)
            for mask, values in zip(masks, hidden, strict=True):
                scores.setdefault((number, mask.tobytes()), []).append(values)
    return scores


def _probability(log_probabilities: Float64Array) -> float:
    """Return the product of the probabilities of a word's tokens, rounded to 6 digits."""
    return round(float(np.exp(log_probabilities.sum())), 6)


def _warnings(explanation: Explanation, measured: Float64Array) -> Iterator[str]:
    """Yield a warning if the answer's tokens have other probabilities than in the run."""
    answer = [token for token in explanation.tokens if token.role == "answer"]
    known = np.array([np.nan if t.probability is None else t.probability for t in answer])
    difference = float(np.nan_to_num(np.abs(known - measured)).max(initial=0))
    if difference > SAME_PROBABILITY:
        yield (
            f"the probabilities of the answer differ from those of the run by up to "
            f"{difference:.2f}: another device, data type or version"
        )


def _without_model(explanation: Explanation, plan: VerificationPlan, seed: int) -> Verification:
    """Return the result of a plan that hides nothing, with the recorded probabilities."""

    def recorded(word: int) -> float:
        indices = explanation.words[word].token_indices
        return prod(explanation.tokens[index].probability or 0.0 for index in indices)

    words = [WordVerification(each.word, each.input, recorded(each.word)) for each in plan.regions]
    return Verification(tuple(words), 0, seed)


def verify_answer(
    run_dir: str | Path,
    *,
    settings: VerifySettings | None = None,
    model: VideoModel | None = None,
    config: RunConfig | None = None,
    video: PathLike | Sequence[PathLike] | None = None,
    allow_other_video: bool = False,
    progress: StageProgress | None = None,
) -> Verification:
    """Check the answer of a finished run causally, and write the result into the run folder.

    `explanation.json` gets the field `verification`, and `report.html`, if there is one, shows it.
    An earlier check is replaced. `plan_verification` tells the cost before.

    Args:
        run_dir: the run folder.
        settings: which words, and how many control regions.
        model: the model of the run if it is loaded; otherwise `config` says how it is loaded.
        config: the settings of the run; those that it records if None.
        video: where the source is now, or all sources, if they were moved.
        allow_other_video: accept a copy with other content, see `check_source`.
        progress: called as the stages advance.

    Raises:
        ConfigError: a word is not in the answer, or the model can't be probed.
        RunFolderError: not a finished run, or the source is not the file that was explained.
        ModelError: the model can't be loaded, or does not fit the run.
        TamVideoError: the source can't be read, or a file can't be written.
    """
    folder, chosen = Path(run_dir), settings or VerifySettings()
    explanation = load_explanation(folder)
    plan = plan_verification(explanation, chosen)
    sources = check_sources(explanation.inputs, video, allow_other=allow_other_video)
    if plan.num_passes:
        result = _run_plan(
            explanation,
            [source.path for source in sources],
            plan,
            model=model,
            config=config or recorded_config(explanation.settings),
            settings=chosen,
            stages=StageTimer(progress),
        )
    else:
        result = _without_model(explanation, plan, chosen.seed)
    notes = [line for source in sources for line in source.warnings]
    result = replace(result, warnings=(*notes, *result.warnings))
    _write(folder, replace(explanation, verification=result), result)
    return result


def _run_plan(
    explanation: Explanation,
    paths: Sequence[Path],
    plan: VerificationPlan,
    *,
    model: VideoModel | None,
    config: RunConfig,
    settings: VerifySettings,
    stages: StageTimer,
) -> Verification:
    """Load the model if `model` is None, read the frames of a run, and run the check."""
    if model is None:
        with stages.stage("load model"):
            model = load_model_from_config(config)
    with stages.stage("read"):
        batches = read_again(explanation.inputs, paths, model=model, settings=config)
    with stages.stage("verify"):
        return verify_words(
            explanation,
            batches,
            plan,
            model=model,
            settings=settings,
            progress=partial(stages.report, "verify"),
        )


def _write(folder: Path, explanation: Explanation, result: Verification) -> None:
    """Put a result into `explanation.json` and the report of a run folder."""
    with replace_files(folder, warnings={"verify": result.warnings}) as temporary:
        name = "explanation.json"
        with_verification(folder / name, temporary / name, result)
        if (folder / REPORT).exists():
            page = report_page(explanation, read_media(folder, explanation))
            with wrap_os_errors(folder):
                (temporary / REPORT).write_bytes(page.encoded())
