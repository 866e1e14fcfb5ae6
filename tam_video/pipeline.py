"""Explain a model's answer about a video file: compute an `Explanation`.

sample -> generate -> activate -> join words. No branch on a model's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Unpack

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError
from tam_video.methods import METHODS
from tam_video.methods.answer_maps import AnswerMaps, answer_maps
from tam_video.models import (
    GenerationOptions,
    VideoModel,
    check_conversation,
    load_model,
    read_layers,
)
from tam_video.models.conversation import assign_inputs
from tam_video.models.inference import TransformersModel
from tam_video.profiles.profile import CalibratedProfile
from tam_video.profiles.resolve import (
    calibrated_profile,
    calibration_of,
    check_profile,
    is_built_in,
    resolve_profile,
)
from tam_video.profiles.store import profile_name
from tam_video.sampling import PathLike, SampledFrames, open_inputs, read_inputs, video_paths
from tam_video.settings.keywords import SettingKeywords
from tam_video.settings.signature import list_settings
from tam_video.stages import StageProgress, StageTimer
from tam_video.tam import join_words, word_maps
from tam_video.tam.reliance import word_reliance
from tam_video.types import (
    ExplainedInput,
    Explanation,
    Generation,
    Message,
    Profile,
)

_PACKAGES = ("tam-video", "torch", "transformers", "av", "numpy")


@list_settings
def explain(
    video: PathLike | Sequence[PathLike],
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    answer: str | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    progress: StageProgress | None = None,
    **settings: Unpack[SettingKeywords],
) -> Explanation:
    """Ask a model about a video and map every token of its answer onto the video.

    Args:
        video: a video or image file, or several: each has its own maps.
        question: one question; or give a `conversation`.
        conversation: turns that end with a user turn; see `Message.inputs` for who shows what.
        answer: explain this answer instead of generating one (teacher forcing).
        model: a loaded model, or the name that `load_model` takes; overrides `config.model`.
        config: all other settings.
        progress: called as the stages advance.
        settings: single settings by name, such as `num_frames=4`; they override `config`.

    Returns:
        The answer with a map for every token and word.

    Raises:
        ConfigError: settings, question or conversation that make no sense.
        InputError: the video can't be read.
        ModelError: the model can't be loaded, is unsupported, or fails.
    """
    chosen = make_config(settings, base=config)
    if isinstance(model, str):
        chosen = chosen.model_copy(update={"model": model})
    paths = video_paths(video)
    turns = build_conversation(question, conversation, num_inputs=len(paths))
    METHODS.load(chosen.method)  # a wrong name fails before the model is loaded
    if model is None or isinstance(model, str):
        check_profile(chosen)
    stages = StageTimer(progress)
    with ExitStack() as stack:
        readers = open_inputs(paths, chosen, stack, stages)
        with stages.stage("load model"):
            loaded = (
                load_model_from_config(chosen) if model is None or isinstance(model, str) else model
            )
        frames = read_inputs(readers, chosen, loaded, stages)
    return explain_frames(
        frames, turns, model=loaded, settings=chosen, answer=answer, progress=progress
    )


def explain_frames(
    frames: SampledFrames,
    turns: Sequence[Message],
    *,
    model: VideoModel,
    settings: RunConfig,
    answer: str | None = None,
    progress: StageProgress | None = None,
) -> Explanation:
    """Generate an answer about decoded frames, and map its tokens onto the frames.

    Args:
        frames: the result of `read_frames`; may be used several times.
        turns: the conversation; see `build_conversation`.
        model: the model.
        settings: how the answer is made and read.
        answer: explain this answer instead of generating one.
        progress: called as the stages advance.

    Raises:
        ConfigError: the conversation or the answer is not valid, or the profile belongs to
            another checkpoint.
        ModelError: the model fails.
    """
    resolved = resolve_profile(settings, model)
    settings, profile = resolved.config, calibrated_profile(resolved.config)
    stages = StageTimer(progress, dict(frames.timings))
    with stages.stage("generate"):
        generation = model.generate(
            frames.batches, turns, options=_options(settings, profile), answer=answer
        )
    with stages.stage("activate"):
        maps = answer_maps(
            model,
            frames.batches,
            generation,
            method=settings.method,
            profile=_built_in(settings),
            options=None if profile is None else profile.options,
            seed=settings.seed,
        )
        result = _explanation(frames, generation, maps)
    return replace(
        result,
        settings=_recorded(settings, model, profile, answer=answer),
        versions=package_versions(),
        timings=stages.seconds,
        warnings=(*frames.warnings, *model.warnings, *resolved.notices),
        calibration=calibration_of(profile),
    )


def build_conversation(
    question: str | None, conversation: Sequence[Message] | None, *, num_inputs: int
) -> tuple[Message, ...]:
    """Build and check the messages of a conversation. Every input must occur once.

    Raises:
        ConfigError: none or both are given, or they don't match the inputs.
    """
    if (question is None) == (conversation is None):
        raise ConfigError(
            "pass either a question or a conversation", hint="pass the question with -q TEXT"
        )
    if not num_inputs:
        raise ConfigError("there is no video or image to explain", hint="pass at least one file")
    turns = check_conversation(conversation or (Message("user", question or ""),))
    return assign_inputs(turns, num_inputs=num_inputs)


def load_model_from_config(settings: RunConfig) -> TransformersModel:
    """Load the model that the settings name.

    Raises:
        ModelError: it can't be loaded, or is unsupported.
        ConfigError: an option that makes no sense.
    """
    return load_model(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        device=settings.device,
        device_map=settings.device_map,
        attn_implementation=settings.attn_implementation,
        allow_pickle=settings.allow_pickle,
    )


def _built_in(settings: RunConfig) -> Profile:
    """Return the built-in profile in the settings, or "default" if the profile is calibrated."""
    return settings.profile if is_built_in(settings.profile) else "default"


def _options(settings: RunConfig, profile: CalibratedProfile | None) -> GenerationOptions:
    mixes = _built_in(settings) == "default" and settings.method == "tam"
    layer, mixed = read_layers(settings.layer, mixes=mixes)
    if profile is not None and settings.layer == "auto":
        mixed = profile.layers
    return GenerationOptions(
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.do_sample,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        seed=settings.seed,
        num_candidates=settings.num_candidates,
        layer=layer,
        mixed_layers=mixed,
        logits=settings.logits,
        class_ids="reference" if settings.profile == "reference" else "own",
    )


def _explanation(frames: SampledFrames, generation: Generation, maps: AnswerMaps) -> Explanation:
    words = join_words(generation.tokens)
    batches = frames.batches
    fingerprints = frames.fingerprints or (None,) * len(batches)
    masked = maps.num_masked or (0,) * len(batches)
    inputs = zip(batches, generation.layouts, maps.maps, fingerprints, masked, strict=True)
    return Explanation(
        inputs=tuple(
            ExplainedInput(
                info=batch.info,
                indices=batch.indices,
                pts_seconds=batch.pts_seconds,
                layout=layout,
                maps=token_maps,
                word_maps=word_maps(token_maps, words),
                fingerprint=fingerprint,
                num_masked=num_masked,
            )
            for batch, layout, token_maps, fingerprint, num_masked in inputs
        ),
        conversation=generation.conversation,
        answer=generation.answer,
        tokens=generation.tokens,
        words=words,
        text_scores=maps.text_scores,
        visual_reliance=word_reliance(generation, words),
    )


def _recorded(
    settings: RunConfig,
    model: VideoModel,
    profile: CalibratedProfile | None,
    *,
    answer: str | None,
) -> dict[str, object]:
    """Return the settings as JSON values, with the model, device and sampler that were used."""
    return {
        **settings.model_dump(mode="json"),
        "profile": settings.profile if profile is None else profile_name(profile),
        "model": model.name,
        "family": model.family,
        "dtype": model.dtype,
        "device": model.device,
        "sampler": settings.resolved_sampler(),
        "answer_given": answer is not None,
    }


def package_versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Return the version of each package that is installed."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
