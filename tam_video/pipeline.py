"""One explanation from a file to a value, and from a value to a run folder.

read -> sample -> generate -> activate -> join words. No branch on a model's name.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, OutputExistsError, RunFolderError, VideoOpenError
from tam_video.export.arrays import write_arrays
from tam_video.export.document import read_explanation, write_document
from tam_video.export.durable import writing
from tam_video.export.manifest import (
    new_run_folder,
    read_manifest,
    refuse_existing,
    replace_files,
    video_fingerprint,
)
from tam_video.methods import METHODS
from tam_video.methods.answer_maps import AnswerMaps, answer_maps
from tam_video.models import (
    GenerationOptions,
    VideoModel,
    check_conversation,
    load_model,
    read_layers,
)
from tam_video.models.conversation import share_out
from tam_video.render.annotate import render_annotated
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.render.sheet import check_libraries
from tam_video.samplers import SAMPLERS, FrameSampler, Window, window
from tam_video.tam import join_words
from tam_video.tam.activation import profile_options
from tam_video.tam.phrases import subtoken_maps
from tam_video.tam.reliance import word_reliance
from tam_video.tam.temporal import SubtokenAggregate
from tam_video.types import (
    ExplainedInput,
    Explanation,
    FrameBatch,
    Generation,
    IntArray,
    Message,
)
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, VideoReader, open_video

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a stage's name, the steps done, and the steps there are (0 when unknown)."""

PathLike: TypeAlias = str | Path

_DRAWN_FILES = {
    "video": "annotated.mp4",
    "captions": "captions.vtt",
    "image": "annotated.png",
    "preview_gif": "preview.gif",
    "preview_webp": "preview.webp",
    "stills_png": "stills.png",
    "stills_pdf": "stills.pdf",
    "stills_svg": "stills.svg",
}
_PACKAGES = ("tam-video", "torch", "transformers", "av", "numpy")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A finished run folder.

    Attributes:
        run_dir: the folder.
        explanation: what it holds.
        files: its files by what they are: "explanation", "maps", "video", "captions", "image" (the
            annotated still of a picture), "manifest", and where they were asked for "preview_gif",
            "preview_webp", "stills_png", "stills_pdf", "stills_svg"; "video_1", ... belong to the
            second and later inputs.
        warnings: what had to give when it was drawn again, in words.
    """

    run_dir: Path
    explanation: Explanation
    files: dict[str, Path]
    warnings: tuple[str, ...] = ()

    @property
    def videos(self) -> tuple[Path, ...]:
        """The annotated videos, in the order of the inputs; none if they were not drawn."""
        keys = [_numbered("video", number) for number in range(len(self.explanation.inputs))]
        return tuple(self.files[key] for key in keys if key in self.files)


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrames:
    """The frames of every input that a model is shown.

    Attributes:
        batches: the frames of each input.
        warnings: the readers' fallbacks, in words.
        timings: stage -> seconds, as far as it has come.
    """

    batches: tuple[FrameBatch, ...]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]


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
    turns = asked_turns(question, conversation, num_inputs=len(paths))
    METHODS.load(settings.method)  # a wrong name is told before the model is loaded
    stages = _Stages(progress)
    with ExitStack() as stack:
        readers = _opened(paths, settings, stack, stages)
        with stages.stage("load model"):
            loaded = (
                load_asked_model(settings) if model is None or isinstance(model, str) else model
            )
        frames = _read(readers, settings, loaded, stages)
    return explain_frames(
        frames, turns, model=loaded, settings=settings, answer=answer, progress=progress
    )


def read_frames(
    video: PathLike | Sequence[PathLike],
    *,
    model: VideoModel,
    settings: RunConfig,
    limits: ReadLimits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> SampledFrames:
    """The first half of `explain`: the frames that the model will see.

    Args:
        video: a video or image file, or several.
        model: tells which frames it wants, where the settings leave it to the model.
        settings: how frames are chosen.
        limits: what a file may declare before it is refused.
        progress: called as the stages go on.

    Raises:
        ConfigError: settings that make no sense, or more frames than `settings.max_frames`.
        InputError: a file can't be read, or is refused.
    """
    stages = _Stages(progress)
    with ExitStack() as stack:
        readers = _opened(video_paths(video), settings, stack, stages, limits=limits)
        return _read(readers, settings, model, stages)


def explain_frames(
    frames: SampledFrames,
    turns: Sequence[Message],
    *,
    model: VideoModel,
    settings: RunConfig,
    answer: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """The second half of `explain`: ask about frames, and map every token of the answer onto them.

    Args:
        frames: what `read_frames` gave; may be asked about again.
        turns: the conversation; see `asked_turns`.
        model: the model.
        settings: how the answer is made and read.
        answer: explain this answer instead of generating one.
        progress: called as the stages go on.

    Raises:
        ConfigError: the conversation or the answer can't be asked.
        ModelError: the model fails.
    """
    stages = _Stages(progress, dict(frames.timings))
    with stages.stage("generate"):
        generation = model.generate(
            frames.batches, turns, options=_options(settings), answer=answer
        )
    with stages.stage("activate"):
        found = answer_maps(
            model,
            frames.batches,
            generation,
            method=settings.method,
            profile=settings.profile,
            seed=settings.seed,
        )
        subtokens = profile_options(settings.profile).subtoken_aggregate
        result = _explanation(frames.batches, generation, found, subtokens=subtokens)
    return replace(
        result,
        settings=_recorded(settings, model, answer=answer),
        versions=_versions(),
        timings=stages.seconds,
        warnings=(*frames.warnings, *model.warnings),
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
    return write_run(explanation, video, target, settings=settings, force=force, progress=progress)


def write_run(
    explanation: Explanation,
    video: PathLike | Sequence[PathLike],
    run_dir: str | Path,
    *,
    settings: RunConfig,
    force: bool = False,
    progress: Progress | None = None,
) -> RunFiles:
    """Write the run folder of an explanation: JSON, arrays, annotated videos, captions, manifest.

    Args:
        explanation: what is written.
        video: where its source is, or all sources; read again for the annotated videos.
        run_dir: the folder, written aside and renamed.
        settings: how the videos look, and whether they are drawn.
        force: replace an existing run folder.
        progress: called as frames are drawn.

    Raises:
        OutputExistsError: `run_dir` exists and `force` is not set, or it is no run folder.
        TamVideoError: a source can't be read, or a file can't be written.
    """
    target = Path(run_dir)
    with new_run_folder(target, force=force) as folder:
        written = write_run_files(explanation, video, folder, settings=settings, progress=progress)
    return RunFiles(target, written, run_files(target))


def write_run_files(
    explanation: Explanation,
    video: PathLike | Sequence[PathLike],
    folder: Path,
    *,
    settings: RunConfig,
    progress: Progress | None = None,
) -> Explanation:
    """Write the files of a run folder but its manifest, as `write_run` does.

    Returns:
        The explanation with the time and the warnings of the drawing.

    Raises:
        TamVideoError: a source can't be read, or a file can't be written.
    """
    stages = _Stages(progress, dict(explanation.timings))
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
    return explanation


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
        warnings = _render_inputs(
            explanation,
            sources,
            temporary,
            options=options,
            progress=partial(stages.report, "render"),
        )
    return RunFiles(folder, explanation, run_files(folder), warnings)


def render_compared(
    run_dirs: Sequence[str | Path],
    mp4: str | Path,
    *,
    options: RenderOptions | None = None,
    video: PathLike | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Draw several runs of one clip side by side, without a model.

    Args:
        run_dirs: finished run folders; of each, the first input is drawn.
        mp4: the file to write; captions and previews stand beside it.
        options: how it looks.
        video: where the clip is now, if it was moved.
        force: replace existing files.
        progress: called as frames are drawn.

    Returns:
        What was written, the MP4 first.

    Raises:
        RunFolderError: not a finished run, or not of the same clip.
        OutputExistsError: a file exists and `force` is not set.
        TamVideoError: the clip can't be read, or the result can't be written.
    """
    folders, target = [Path(each) for each in run_dirs], Path(mp4)
    for folder in folders:
        read_manifest(folder)
    explanations = [read_explanation(folder).of_input(0) for folder in folders]
    look = replace(options or RenderOptions(), layout="compare")
    if target.suffix.lower() != ".mp4":
        raise ConfigError(f"{target.name} is no name of an MP4", hint="-o comparison.mp4")
    names = [target.name] + [f"{target.stem}.{kind}" for kind in ("vtt", *look.previews)]
    for place in (target.with_name(name) for name in names):
        if place.exists() and not force:
            raise OutputExistsError(f"{place} exists", hint="choose another -o, or pass --force")
    source = _source(explanations[0], None if video is None else Path(video))
    for explanation in explanations[1:]:
        _source(explanation, source)
    stages = _Stages(progress)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compare.", dir=target.parent) as aside:
            with stages.stage("render"):
                render_comparison(
                    explanations,
                    run_names(explanations, [folder.resolve().name for folder in folders]),
                    source,
                    Path(aside) / target.name,
                    options=look,
                    progress=partial(stages.report, "render"),
                )
            return tuple((Path(aside) / name).replace(target.with_name(name)) for name in names)


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
    """The part of the settings that says how the clip looks.

    Raises:
        ConfigError: a name is unknown, or settings contradict each other.
        MissingDependencyError: a library that draws what is asked for is not installed.
    """
    check_libraries(settings.stills)
    return RenderOptions(
        colormap=settings.colormap,
        opacity=settings.opacity,
        token=settings.show_token,
        word=settings.show_word,
        layout=settings.layout,
        tiles=settings.tiles,
        threshold=settings.threshold,
        contours=settings.contours,
        boxes=settings.boxes,
        previews=settings.previews,
        stills=settings.stills,
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
        "manifest": "manifest.json",
        **_DRAWN_FILES,
    }
    found = {key: folder / name for key, name in names.items() if (folder / name).exists()}
    for key, name in _DRAWN_FILES.items():
        stem, _, suffix = name.rpartition(".")
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


def asked_turns(
    question: str | None, conversation: Sequence[Message] | None, *, num_inputs: int
) -> tuple[Message, ...]:
    """One question or a conversation as checked turns that show every input once.

    Raises:
        ConfigError: none or both are given, or they don't fit the inputs.
    """
    if (question is None) == (conversation is None):
        raise ConfigError("give a question or a conversation, one of them", hint="-q TEXT")
    if not num_inputs:
        raise ConfigError("there is no video or image to explain", hint="give one file or several")
    turns = check_conversation(conversation or (Message("user", question or ""),))
    return share_out(turns, num_inputs=num_inputs)


def load_asked_model(settings: RunConfig) -> VideoModel:
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


def video_paths(video: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """One path or several as a tuple."""
    given = (video,) if isinstance(video, str | Path) else video
    return tuple(Path(path) for path in given)


def _opened(
    paths: Sequence[Path],
    settings: RunConfig,
    stack: ExitStack,
    stages: _Stages,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> list[VideoReader]:
    with stages.stage("open"):
        return [
            stack.enter_context(open_video(path, reader=settings.reader, limits=limits))
            for path in paths
        ]


def _read(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel, stages: _Stages
) -> SampledFrames:
    """The frames of each input that the model sees.

    Raises:
        ConfigError: more frames than `max_frames`, which would not fit a model or the memory.
    """
    with stages.stage("read"):
        batches = _read_batches(readers, settings, model)
    warnings = tuple(said for reader in readers for said in reader.warnings)
    return SampledFrames(batches, warnings, stages.seconds)


def _read_batches(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel
) -> tuple[FrameBatch, ...]:
    chosen = [_sample(reader, settings, model) for reader in readers]
    total = sum(map(len, chosen))
    if total > settings.max_frames:
        raise ConfigError(
            f"{total} frames were sampled, the limit is {settings.max_frames}",
            hint="use --num-frames, choose a part (--start/--end), or raise --max-frames",
        )
    return tuple(reader.read(indices) for reader, indices in zip(readers, chosen, strict=True))


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
    mixes = settings.profile == "default" and settings.method == "tam"
    layer, mixed = read_layers(settings.layer, mixes=mixes)
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


def _explanation(
    batches: Sequence[FrameBatch],
    generation: Generation,
    found: AnswerMaps,
    *,
    subtokens: SubtokenAggregate,
) -> Explanation:
    words = join_words(generation.tokens)
    joined = partial(subtoken_maps, words=words, aggregate=subtokens, tokens=generation.tokens)
    inputs = [
        ExplainedInput(
            info=batch.info,
            indices=batch.indices,
            pts_seconds=batch.pts_seconds,
            layout=layout,
            maps=maps,
            word_maps=joined(maps),
        )
        for batch, layout, maps in zip(batches, generation.layouts, found.maps, strict=True)
    ]
    first = {item.name: getattr(inputs[0], item.name) for item in fields(ExplainedInput)}
    return Explanation(
        conversation=generation.conversation,
        answer=generation.answer,
        tokens=generation.tokens,
        words=words,
        text_scores=found.text_scores,
        others=tuple(inputs[1:]),
        visual_reliance=word_reliance(generation, words),
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
