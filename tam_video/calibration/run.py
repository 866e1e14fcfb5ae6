"""Calibrate a checkpoint: choose a profile, and judge whether its maps can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tam_video.calibration.candidates import (
    CURVE_METRICS,
    METRICS,
    RAW,
    Candidate,
    built_in,
    clip_metrics,
)
from tam_video.calibration.evidence import ClipEvidence, clip_evidence
from tam_video.calibration.examples import Example, make_examples
from tam_video.calibration.selection import compare, is_better, score_candidates, select
from tam_video.calibration.verdict import judge
from tam_video.calibration.worlds import CALIBRATION_WORLDS
from tam_video.errors import ConfigError, ModelLoadError
from tam_video.metrics.statistics import clipped, mean_interval
from tam_video.models.inference import TransformersModel
from tam_video.pipeline import package_versions
from tam_video.profiles.identity import CheckpointIdentity, identity_of_model
from tam_video.profiles.profile import CalibratedProfile
from tam_video.stages import StageProgress

LEAST_UNDERSTOOD = 0.8
_HELD_OUT = 0.4
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
    progress: StageProgress | None = None,
) -> Calibration:
    """Calibrate a loaded model.

    Args:
        model: the model.
        worlds: calibration worlds that are measured whether the model understands them or not; by
            default all worlds that it understands.
        num_clips: clips per world, of which 40 % are held out; at least 10.
        seed: seed of the clips.
        progress: called as the work goes on.

    Raises:
        ConfigError: there are too few clips.
        UnknownNameError: a world is unknown.
        ModelError: the model fails.
    """
    if num_clips < 10:
        raise ConfigError(f"{num_clips} clips are too few", hint="pass at least --clips 10")
    evidence = gather(model, worlds or tuple(CALIBRATION_WORLDS), num_clips, seed, progress)
    unmeasured = _unmeasured(model, evidence, seed)
    used = tuple(worlds) or tuple(
        name for name, share in unmeasured.worlds.items() if share >= LEAST_UNDERSTOOD
    )
    if not used:
        return Calibration(unmeasured)
    usable = [[each for each in evidence[name] if worlds or each.is_understood] for name in used]
    selection, held_out = _split(usable)
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
    model: TransformersModel, evidence: Mapping[str, Sequence[ClipEvidence]], seed: int
) -> CalibratedProfile:
    """Return the built-in profile of a model that does not understand the clips."""
    standard = built_in(model.num_layers)
    understood = {
        name: float(np.mean([answer for each in clips for answer in each.answers]))
        for name, clips in evidence.items()
    }
    shares = ", ".join(f"{name} {share:.0%}" for name, share in understood.items())
    return CalibratedProfile(
        model=model.name,
        revision=model.revision,
        identity=_identity(model),
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
        versions=package_versions(_PACKAGES),
    )


def _identity(model: TransformersModel) -> CheckpointIdentity:
    """Return what the profile belongs to."""
    identity = identity_of_model(model)
    if identity is None:
        raise ModelLoadError(
            f"the files of {model.name} are not found", hint="load it again from its folder"
        )
    return identity


def gather(
    model: TransformersModel,
    worlds: Sequence[str],
    num_clips: int,
    seed: int,
    progress: StageProgress | None,
) -> dict[str, list[ClipEvidence]]:
    """Run the model on all clips of the worlds."""
    evidence: dict[str, list[ClipEvidence]] = {}
    for name in worlds:
        evidence[name] = []
        for number in range(num_clips):
            evidence[name].append(clip_evidence(model, name, seed=seed, number=number))
            if progress is not None:
                progress(name, number + 1, num_clips)
    return evidence


def layer_curves(evidence: Sequence[ClipEvidence]) -> dict[str, list[float | None]]:
    """Compute the mean AUC, pointing and temporal AUC of each layer's raw maps."""
    rows = np.array(
        [
            [clip_metrics(each, Candidate((n,), RAW), CURVE_METRICS) for each in evidence]
            for n in range(len(evidence[0].scores))
        ]
    )
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
        end = len(clips) - round(_HELD_OUT * len(clips))
        selection += clips[:end]
        held_out += clips[end:]
    return selection, held_out
