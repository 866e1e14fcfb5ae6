"""One explanation from a file to a value, and from a value to a run folder.

read -> sample -> generate -> activate -> join words. No branch on a model's name.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, RunFolderError, VideoOpenError
from tam_video.export.arrays import write_arrays
from tam_video.export.document import read_explanation, write_document
from tam_video.export.manifest import (
    new_run_folder,
    read_manifest,
    refuse_existing,
    replace_files,
    video_fingerprint,
)
from tam_video.models import GenerationOptions, VideoModel, check_conversation, load_model
from tam_video.models.conversation import share_out
from tam_video.render.annotate import RenderOptions, render_annotated
from tam_video.samplers import SAMPLERS, FrameSampler, Window, window
from tam_video.tam import join_words, word_maps
from tam_video.tam.activation import activate
from tam_video.types import (
    ActivationMaps,
    ExplainedInput,
    Explanation,
    FrameBatch,
    Generation,
    IntArray,
    Message,
)
from tam_video.video.reader import VideoReader, open_video

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a stage's name, the steps done, and the steps there are (0 when unknown)."""

PathLike: TypeAlias = str | Path

_PACKAGES = ("tam-video", "torch", "transformers", "av", "numpy")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A finished run folder.

    Attributes:
        run_dir: the folder.
        explanation: what it holds.
        files: its files by what they are: "explanation", "maps", "video", "captions", "image" (the
            annotated still of a picture), "manifest"; "video_1", ... belong to the second and later
            inputs.
    """

    run_dir: Path
    explanation: Explanation
    files: dict[str, Path]

    @property
    def videos(self) -> tuple[Path, ...]:
        """The annotated videos, in the order of the inputs; none if they were not drawn."""
        keys = [_numbered("video", number) for number in range(len(self.explanation.inputs))]
        return tuple(self.files[key] for key in keys if key in self.files)


@dataclass(slots=True)
class _Stages:
    """Times the stages and reports them."""

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.report(name, 0, 0)
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def report(self, name: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(name, done, total)


def explain(
    video: PathLike | Sequence[PathLike],
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    answer: str | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Ask a model about a video and map every token of its answer onto the video.

    Args:
        video: a video or image file, or several: each has its own maps.
        question: one question; or give a `conversation`.
        conversation: turns that end with a user turn; see `Message.inputs` for who shows what.
        answer: explain this answer instead of generating one (teacher forcing).
        model: a loaded model, or the name that `load_model` takes; overrides `config.model`.
        config: all other settings.
        progress: called as the stages go on.

    Returns:
        The answer with a map for every token and word.

    Raises:
        ConfigError: settings, question or conversation that make no sense.
        InputError: the video can't be read.
        ModelError: the model can't be loaded, is unsupported, or fails.
    """
    settings = config or RunConfig()
    if isinstance(model, str):
        settings = settings.model_copy(update={"model": model})
    paths = video_paths(video)
    turns = _turns(question, conversation, num_inputs=len(paths))
    stages = _Stages(progress)
    with ExitStack() as stack:
        with stages.stage("open"):
            readers = [
                stack.enter_context(open_video(path, reader=settings.reader)) for path in paths
            ]
        with stages.stage("load model"):
            loaded = _load(settings) if model is None or isinstance(model, str) else model
        with stages.stage("read"):
            batches = _read(readers, settings, loaded)
        warnings = (*(said for reader in readers for said in reader.warnings), *loaded.warnings)
    with stages.stage("generate"):
        generation = loaded.generate(batches, turns, options=_options(settings), answer=answer)
    with stages.stage("activate"):
        result = _explanation(batches, generation, activate(generation, profile=settings.profile))
    return replace(
        result,
        settings=_recorded(settings, loaded, answer=answer),
        versions=_versions(),
        timings=stages.seconds,
        warnings=warnings,
    )


def explain_to_folder(
    video: PathLike | Sequence[PathLike],
    run_dir: str | Path,
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    answer: str | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RunFiles:
    """`explain`, then write the run folder: JSON, arrays, annotated videos, captions, manifest.

    The folder is written aside and renamed: it is complete or not there.

    Raises:
        OutputExistsError: `run_dir` exists and `force` is not set, or it is no run folder.
        TamVideoError: as `explain`; or a file can't be written.
    """
    settings, target = config or RunConfig(), Path(run_dir)
    refuse_existing(target, force=force)
    render_options(settings)  # a wrong name is told before the model runs
    explanation = explain(
        video,
        question,
        conversation=conversation,
        answer=answer,
        model=model,
        config=settings,
        progress=progress,
    )
    stages = _Stages(progress, dict(explanation.timings))
    with new_run_folder(target, force=force) as folder:
        write_arrays(explanation, folder / "maps.npz")
        if settings.render:
            with stages.stage("render"):
                warnings = _render_inputs(
                    explanation,
                    video_paths(video),
                    folder,
                    options=render_options(settings),
                    progress=partial(stages.report, "render"),
                )
            explanation = replace(
                explanation,
                timings=stages.seconds,
                warnings=(*explanation.warnings, *warnings),
            )
        write_document(explanation, folder / "explanation.json")
    return RunFiles(target, explanation, run_files(target))


def render_run(
    run_dir: str | Path,
    *,
    options: RenderOptions | None = None,
    video: PathLike | Sequence[PathLike] | None = None,
    progress: Progress | None = None,
) -> RunFiles:
    """Draw the annotated video of a run folder again, without a model.

    Args:
        run_dir: a finished run folder; its MP4 and captions are replaced together.
        options: how it looks.
        video: where the source is now, or all sources, if they were moved.
        progress: called as frames are drawn.

    Raises:
        RunFolderError: not a finished run, or the source is not the file that was explained.
        TamVideoError: the source can't be read, or the result can't be written.
    """
    folder = Path(run_dir)
    read_manifest(folder)
    explanation = read_explanation(folder)
    moved = video_paths(video) if video is not None else ()
    if moved and len(moved) != len(explanation.inputs):
        raise ConfigError(f"{len(moved)} videos are given for {len(explanation.inputs)} inputs")
    sources = [
        _source(explanation.of_input(number), moved[number] if moved else None)
        for number in range(len(explanation.inputs))
    ]
    stages = _Stages(progress)
    with replace_files(folder) as temporary, stages.stage("render"):
        _render_inputs(
            explanation,
            sources,
            temporary,
            options=options,
            progress=partial(stages.report, "render"),
        )
    return RunFiles(folder, explanation, run_files(folder))


def _render_inputs(
    explanation: Explanation,
    sources: Sequence[Path],
    folder: Path,
    *,
    options: RenderOptions | None,
    progress: Callable[[int, int], None],
) -> tuple[str, ...]:
    """Annotate every input; `annotated_1.mp4` belongs to the second. Returns what had to give."""
    warnings: list[str] = []
    for number, source in enumerate(sources):
        place = folder / f"input_{number}" if number else folder
        place.mkdir(exist_ok=True)
        rendered = render_annotated(
            explanation.of_input(number), source, place, options=options, progress=progress
        )
        warnings += rendered.warnings
        if number:
            for path in list(place.iterdir()):
                path.rename(folder / f"{_numbered(path.stem, number)}{path.suffix}")
            place.rmdir()
    return tuple(warnings)


def render_options(settings: RunConfig) -> RenderOptions:
    """The part of the settings that says how the clip looks."""
    return RenderOptions(
        colormap=settings.colormap,
        opacity=settings.opacity,
        token=settings.show_token,
        word=settings.show_word,
        mode=settings.mode,
        crf=settings.crf,
        preset=settings.preset,
        font=settings.font,
        reader=settings.reader,
    )


def run_files(folder: Path) -> dict[str, Path]:
    """The files of a run folder that are there, by what they are."""
    names = {
        "explanation": "explanation.json",
        "maps": "maps.npz",
        "video": "annotated.mp4",
        "captions": "captions.vtt",
        "image": "annotated.png",
        "manifest": "manifest.json",
    }
    found = {key: folder / name for key, name in names.items() if (folder / name).exists()}
    for key in ("video", "captions", "image"):
        stem, _, suffix = names[key].rpartition(".")
        for path in folder.glob(f"{stem}_*.{suffix}"):
            found[f"{key}_{path.stem.rpartition('_')[2]}"] = path
    return found


def _numbered(name: str, number: int) -> str:
    """`name` of the first input, `name_1` of the second."""
    return f"{name}_{number}" if number else name


def default_run_dir(
    video: PathLike | Sequence[PathLike],
    config: RunConfig,
    turns: Sequence[Message],
    *,
    answer: str | None,
) -> Path:
    """`tam_runs/<stem>-<hash>`: the same question with the same settings has the same folder.

    Raises:
        VideoOpenError: the video can't be read.
    """
    paths = video_paths(video)
    prints = []
    for path in paths:
        try:
            prints.append(video_fingerprint(path))
        except OSError as exc:
            raise VideoOpenError(
                f"can't open {path}: {exc.strerror or exc}", hint="check the path"
            ) from exc
    asked = repr([(turn.role, turn.text, turn.inputs) for turn in turns])
    key = "\n".join([*prints, config.model_dump_json(), asked, repr(answer)])
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in paths[0].stem)[:60] or "video"
    return Path("tam_runs") / f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _turns(
    question: str | None, conversation: Sequence[Message] | None, *, num_inputs: int
) -> tuple[Message, ...]:
    if (question is None) == (conversation is None):
        raise ConfigError("give a question or a conversation, one of them", hint="-q TEXT")
    if not num_inputs:
        raise ConfigError("there is no video or image to explain", hint="give one file or several")
    turns = check_conversation(conversation or (Message("user", question or ""),))
    return share_out(turns, num_inputs=num_inputs)


def _load(settings: RunConfig) -> VideoModel:
    return load_model(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        device=settings.device,
        device_map=settings.device_map,
        attn_implementation=settings.attn_implementation,
    )


def video_paths(video: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """One path or several as a tuple."""
    given = (video,) if isinstance(video, str | Path) else video
    return tuple(Path(path) for path in given)


def _read(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel
) -> list[FrameBatch]:
    """The frames of each input that the model sees.

    Raises:
        ConfigError: more frames than `max_frames`, which would not fit a model or the memory.
    """
    chosen = [_sample(reader, settings, model) for reader in readers]
    total = sum(map(len, chosen))
    if total > settings.max_frames:
        raise ConfigError(
            f"{total} frames were sampled, the limit is {settings.max_frames}",
            hint="use --num-frames, choose a part (--start/--end), or raise --max-frames",
        )
    return [reader.read(indices) for reader, indices in zip(readers, chosen, strict=True)]


def _sample(reader: VideoReader, settings: RunConfig, model: VideoModel) -> IntArray:
    """Frame numbers to read of one input; a still picture has its one, whatever is asked."""
    if reader.info.is_image:
        return np.zeros(1, dtype=np.int64)
    frames = window(
        reader.info,
        reader.timeline.pts_seconds,
        reader.timeline.is_keyframe,
        start_seconds=settings.start_seconds,
        end_seconds=settings.end_seconds,
    )
    return _sampler(settings, model).sample(frames)


def _sampler(settings: RunConfig, model: VideoModel) -> FrameSampler:
    """The asked sampler, given those of the options that it has a field for.

    Raises:
        ConfigError: no such sampler, or an option that it needs is missing.
    """

    def rule(frames: Window) -> IntArray:
        return frames.indices[model.sample_native(frames.info, frames.pts_seconds)]

    sampler = SAMPLERS.load(settings.resolved_sampler())
    options = {
        "num_frames": settings.num_frames,
        "fps": settings.fps,
        "seconds": settings.timestamps or None,
        "rule": rule,
    }
    known = {item.name for item in fields(sampler)}
    given = {name: value for name, value in options.items() if name in known and value is not None}
    made: FrameSampler = sampler(**given)
    return made


def _options(settings: RunConfig) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.do_sample,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        seed=settings.seed,
        num_candidates=settings.num_candidates,
        layer=settings.layer,
        logits=settings.logits,
        class_ids="reference" if settings.profile == "reference" else "own",
    )


def _explanation(
    batches: Sequence[FrameBatch], generation: Generation, activations: Sequence[ActivationMaps]
) -> Explanation:
    words = join_words(generation.tokens)
    inputs = [
        ExplainedInput(
            info=batch.info,
            indices=batch.indices,
            pts_seconds=batch.pts_seconds,
            layout=layout,
            maps=activation.maps,
            word_maps=word_maps(activation.maps, words),
        )
        for batch, layout, activation in zip(batches, generation.layouts, activations, strict=True)
    ]
    first = {item.name: getattr(inputs[0], item.name) for item in fields(ExplainedInput)}
    return Explanation(
        conversation=generation.conversation,
        answer=generation.answer,
        tokens=generation.tokens,
        words=words,
        text_scores=activations[0].text_scores,
        others=tuple(inputs[1:]),
        **first,
    )


def _recorded(settings: RunConfig, model: VideoModel, *, answer: str | None) -> dict[str, object]:
    """The settings as JSON values, with what they came to."""
    return {
        **settings.model_dump(mode="json"),
        "model": model.name,
        "family": model.family,
        "dtype": model.dtype,
        "device": model.device,
        "sampler": settings.resolved_sampler(),
        "answer_given": answer is not None,
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _source(explanation: Explanation, moved: Path | None) -> Path:
    """The explained video, checked to have the frames that were explained."""
    path = moved or explanation.info.path
    with open_video(path) as reader:
        times, info = reader.timeline.pts_seconds, reader.info
    told = explanation.info
    same = (info.num_frames, info.width, info.height) == (
        told.num_frames,
        told.width,
        told.height,
    ) and np.allclose(times[explanation.indices], explanation.pts_seconds, atol=1e-6)
    if not same:
        raise RunFolderError(
            f"{path} is not the video that was explained: its frames differ",
            hint="pass the original with --video PATH",
        )
    return path
