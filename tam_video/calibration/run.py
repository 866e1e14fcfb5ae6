"""Calibrate a checkpoint: choose a profile, and judge whether its maps can be trusted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tam_video.calibration.candidates import (
    CURVE_METRICS,
    METRICS,
    RAW,
    Candidate,
    built_in,
)
from tam_video.calibration.evidence import AskedClip, ClipEvidence
from tam_video.calibration.examples import Example, make_examples
from tam_video.calibration.gathering import (
    correct_share,
    count_done,
    evidence_identity,
    gather,
    open_evidence,
)
from tam_video.calibration.scoring import candidate_values
from tam_video.calibration.selection import (
    compare,
    is_better,
    score_candidates,
    select,
    split_clips,
)
from tam_video.calibration.verdict import judge
from tam_video.calibration.worlds import CALIBRATION_WORLDS, named_worlds
from tam_video.errors import ConfigError, ModelLoadError
from tam_video.metrics.statistics import clipped, mean_interval
from tam_video.models.inference import TransformersModel
from tam_video.pipeline import package_versions
from tam_video.profiles.identity import CheckpointIdentity, identity_of_model
from tam_video.profiles.profile import CalibratedProfile
from tam_video.stages import StageProgress

LEAST_UNDERSTOOD = 0.8
_PACKAGES = ("tam-video", "torch", "transformers")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The result of a calibration: the profile, and pictures of held-out clips for its page."""

    profile: CalibratedProfile
    examples: tuple[Example, ...] = ()


def calibrate_model(
    model: TransformersModel,
    *,
    worlds: Sequence[str] = (),
    num_clips: int = 60,
    seed: int = 0,
    folder: Path | None = None,
    starts_over: bool = False,
    progress: StageProgress | None = None,
    notice: Callable[[str], None] | None = None,
) -> Calibration:
    """Calibrate a loaded model.

    The evidence of each clip is written to a file when it is computed, and scores are read from
    there, so that memory does not grow with the number of clips.

    Args:
        model: the model.
        worlds: calibration worlds that are measured whether the model understands them or not; by
            default, and for "auto" alone, all worlds that it understands.
        num_clips: clips per world, of which 40 % are held out; at least 10.
        seed: seed of the clips.
        folder: folder for the evidence; clips that are done there are not computed again. By
            default a temporary folder.
        starts_over: remove evidence of other settings from `folder`.
        progress: called as the work goes on.
        notice: called with a line of text if the calibration resumes.

    Raises:
        ConfigError: there are too few clips, or another process works in `folder`.
        UnknownNameError: a world is unknown.
        ModelError: the model fails.
        OutputError: `folder` contains something else or evidence of other settings, or can't be
            written.
    """
    if num_clips < 10:
        raise ConfigError(f"{num_clips} clips are too few", hint="pass at least --clips 10")
    worlds = named_worlds(worlds)
    checkpoint, versions = checkpoint_identity(model), package_versions(_PACKAGES)
    identity = evidence_identity(model, checkpoint, seed=seed, versions=versions)
    names = worlds or tuple(CALIBRATION_WORLDS)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tam-video-")))
        opened = stack.enter_context(open_evidence(folder, identity, starts_over=starts_over))
        done = count_done(opened, names, num_clips)
        if done and notice is not None:
            notice(f"resuming: {done} of {len(names) * num_clips} clips are done")
        asked = gather(
            model,
            names,
            num_clips,
            seed=seed,
            folder=opened,
            least=None if worlds else LEAST_UNDERSTOOD,
            progress=progress,
        )
        unmeasured = _unmeasured(model, checkpoint, asked, seed=seed, versions=versions)
        return _chosen(unmeasured, asked, forced=bool(worlds), progress=progress)


def _chosen(
    unmeasured: CalibratedProfile,
    asked: Mapping[str, Sequence[AskedClip]],
    *,
    forced: bool,
    progress: StageProgress | None,
) -> Calibration:
    """Choose a profile on the clips that the model understands, or on all if `forced`."""
    used = tuple(
        name for name, share in unmeasured.worlds.items() if forced or share >= LEAST_UNDERSTOOD
    )
    if not used:
        return Calibration(unmeasured)
    selection, held_out = _split(
        [[clip.evidence for clip in asked[name] if clip.evidence is not None] for name in used]
    )
    chosen = select(
        selection, None if progress is None else lambda n, total: progress("select", n, total)
    )
    return _measured(replace(unmeasured, used_worlds=used), chosen, selection, held_out)


def _measured(
    profile: CalibratedProfile,
    choice: Candidate,
    selection: Sequence[ClipEvidence],
    held_out: Sequence[ClipEvidence],
) -> Calibration:
    """Compare `choice` with the built-in profile on held-out clips. Judge the better profile."""
    standard = built_in(profile.num_layers)
    scores = score_candidates(held_out, (choice, standard))
    differences = compare(scores)
    adopted = is_better(differences)
    final = choice if adopted else standard
    judgement = judge(held_out, final)
    values = scores.values[scores.candidates.index(final)]
    figures = {
        name: clipped(mean_interval(values[:, i]), 0.0, 1.0) for i, name in enumerate(METRICS)
    }
    figures |= {"auc": judgement.auc, "chance_pointing": judgement.chance}
    measured = replace(
        profile,
        layers=final.layers,
        options=final.options,
        is_built_in=not adopted,
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        num_clips=(len(selection), len(held_out)),
        held_out={name: each.as_dict() for name, each in figures.items()},
        differences={name: each.as_dict() for name, each in differences.items()},
        curves=layer_curves(selection),
    )
    examples = make_examples(held_out, seed=profile.seed, built_in=standard, chosen=final)
    return Calibration(measured, examples)


def _unmeasured(
    model: TransformersModel,
    checkpoint: CheckpointIdentity,
    asked: Mapping[str, Sequence[AskedClip]],
    *,
    seed: int,
    versions: dict[str, str],
) -> CalibratedProfile:
    """Return the built-in profile of a model that does not understand the clips."""
    standard = built_in(model.num_layers)
    understood = {name: correct_share(clips) for name, clips in asked.items()}
    shares = ", ".join(f"{name} {share:.0%}" for name, share in understood.items())
    return CalibratedProfile(
        model=model.name,
        revision=model.revision,
        identity=checkpoint,
        num_layers=model.num_layers,
        layers=standard.layers,
        options=standard.options,
        is_built_in=True,
        verdict="not-measurable",
        sentence=(
            "The model does not understand the calibration clips well enough to measure its maps "
            f"(correct answers: {shares}; needed: {LEAST_UNDERSTOOD:.0%})."
        ),
        worlds=understood,
        used_worlds=(),
        seed=seed,
        num_clips=(0, 0),
        versions=versions,
    )


def checkpoint_identity(model: TransformersModel) -> CheckpointIdentity:
    """Return what the profile of a model belongs to.

    Raises:
        ModelLoadError: its files are not found.
    """
    identity = identity_of_model(model)
    if identity is None:
        raise ModelLoadError(
            f"the files of {model.name} are not found", hint="load it again from its folder"
        )
    return identity


def layer_curves(evidence: Sequence[ClipEvidence]) -> dict[str, list[float | None]]:
    """Compute the mean AUC, pointing and temporal AUC of each layer's raw maps."""
    raw = [Candidate((layer,), RAW) for layer in range(len(evidence[0].scores))]
    rows = np.stack([candidate_values(each, raw, CURVE_METRICS) for each in evidence], axis=1)
    means = [[mean_interval(column).mean for column in layer.T] for layer in rows]
    return {
        name: [None if np.isnan(layer[i]) else round(layer[i], 4) for layer in means]
        for i, name in enumerate(CURVE_METRICS)
    }


def _split(
    worlds: Sequence[Sequence[ClipEvidence]],
) -> tuple[list[ClipEvidence], list[ClipEvidence]]:
    """Split the clips of each world into clips for the selection and held-out clips."""
    selection: list[ClipEvidence] = []
    held_out: list[ClipEvidence] = []
    for clips in worlds:
        first, second = split_clips(clips)
        selection += first
        held_out += second
    return selection, held_out
