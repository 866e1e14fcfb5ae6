"""Write an explanation to a run folder with videos and a report, and render it again.

`write_run` is the only writer of run folders with pictures; every command uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, Unpack, get_args

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError
from tam_video.export.arrays import numbered, write_arrays
from tam_video.export.document import load_explanation, read_explanation, write_document
from tam_video.export.manifest import (
    new_run_folder,
    refuse_existing,
    replace_files,
)
from tam_video.export.plain_text import path_component
from tam_video.models import VideoModel
from tam_video.pipeline import explain
from tam_video.profiles.resolve import resolve_profile
from tam_video.render.annotate import render_annotated
from tam_video.render.options import RenderOptions
from tam_video.render.sheet import check_libraries
from tam_video.report.media import Source
from tam_video.report.writing import write_report_files
from tam_video.sampling import PathLike, video_fingerprint, video_paths
from tam_video.settings.keywords import SettingKeywords
from tam_video.settings.signature import list_settings
from tam_video.stages import StageProgress, StageTimer, StepProgress
from tam_video.types import Explanation, Message
from tam_video.video.encoders import choose_encoder
from tam_video.video.source import check_sources

Output: TypeAlias = Literal["maps", "video", "captions", "report"]
"""What a run folder may hold beside `explanation.json` and `manifest.json`."""
OUTPUTS: frozenset[Output] = frozenset(get_args(Output))

_FILES = {
    "explanation": "explanation.json",
    "maps": "maps.npz",
    "video": "annotated.mp4",
    "captions": "captions.vtt",
    "image": "annotated.png",
    "preview_gif": "preview.gif",
    "preview_webp": "preview.webp",
    "stills_png": "stills.png",
    "stills_pdf": "stills.pdf",
    "stills_svg": "stills.svg",
    "report": "report.html",
    "clip": "clip.mp4",
    "still": "still.jpg",
    "thumb": "thumb.jpg",
    "manifest": "manifest.json",
}
_PATTERNS: dict[Output, tuple[str, ...]] = {
    "maps": ("maps.npz",),
    "video": ("annotated*.mp4", "annotated*.png"),
    "captions": ("captions*.vtt",),
}


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files and the explanation in a finished run folder.

    Attributes:
        run_dir: the folder.
        explanation: what it holds.
        files: its files by kind, as far as they were written: "explanation", "maps", "manifest",
            "video", "captions", "image" (the annotated still of a picture), "report", "clip" and
            "still" (what the report shows), "thumb", "preview_gif", "preview_webp", "stills_png",
            "stills_pdf", "stills_svg"; "video_1", ... belong to the second and later inputs.
        warnings: fallbacks taken when it was drawn again, in words.
    """

    run_dir: Path
    explanation: Explanation
    files: dict[str, Path]
    warnings: tuple[str, ...] = ()

    @property
    def videos(self) -> tuple[Path, ...]:
        """Return the paths of the annotated videos in input order, or () if none was rendered."""
        keys = [numbered("video", index) for index in range(len(self.explanation.inputs))]
        return tuple(self.files[key] for key in keys if key in self.files)


@dataclass(frozen=True, slots=True)
class RunExtras:
    """Extra content that a command adds to a run folder.

    Attributes:
        report_sources: what the report shows of each input instead of the videos that are drawn
            on: files, or readers that stay open.
        index_url: address of the page that lists the run, for the report.
        attached: files that are moved into the folder, by their name there.
    """

    report_sources: Sequence[Source] = ()
    index_url: str | None = None
    attached: Mapping[str, Path] = field(default_factory=dict)


@list_settings
def explain_to_folder(
    video: PathLike | Sequence[PathLike],
    run_dir: str | Path,
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    answer: str | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    outputs: Collection[Output] = OUTPUTS,
    force: bool = False,
    progress: StageProgress | None = None,
    **settings: Unpack[SettingKeywords],
) -> RunFiles:
    """Explain a video or image, and write the explanation to a run folder.

    The folder is written under a temporary name and renamed: it is complete or not there. Single
    settings can be given by name, such as `layout="grid"`; they override `config`.

    Raises:
        OutputExistsError: `run_dir` exists and `force` is not set, or it is not a run folder.
        TamVideoError: as `explain`; or a file can't be written.
    """
    chosen, target = make_config(settings, base=config), Path(run_dir)
    refuse_existing(target, force=force)
    _check_outputs(outputs)
    render_options(chosen)  # a wrong name fails before the model runs
    if chosen.render:
        choose_encoder(chosen.encoder)
    explanation = explain(
        video,
        question,
        conversation=conversation,
        answer=answer,
        model=model,
        config=chosen,
        progress=progress,
    )
    return write_run(
        explanation,
        video,
        target,
        settings=chosen,
        outputs=outputs,
        force=force,
        progress=progress,
    )


def write_run(
    explanation: Explanation,
    video: PathLike | Sequence[PathLike],
    run_dir: str | Path,
    *,
    settings: RunConfig,
    outputs: Collection[Output] = OUTPUTS,
    force: bool = False,
    progress: StageProgress | None = None,
    extras: RunExtras | None = None,
) -> RunFiles:
    """Write the run folder of an explanation. The folder appears only when it is complete.

    Args:
        explanation: what is written.
        video: its source, or all sources, known to be what was explained.
        run_dir: the folder.
        settings: how the videos look, and whether they are drawn.
        outputs: what is written: names of `OUTPUTS`.
        force: replace an existing run folder.
        progress: called as frames are drawn.
        extras: what a command adds.

    Raises:
        ConfigError: an unknown output.
        OutputExistsError: `run_dir` exists and `force` is not set, or it is not a run folder.
        TamVideoError: a source can't be read, or a file can't be written.
    """
    _check_outputs(outputs)
    target, added = Path(run_dir), extras or RunExtras()
    with new_run_folder(target, force=force) as folder:
        timer = StageTimer(progress, dict(explanation.timings))
        if {"video", "captions"}.isdisjoint(outputs):
            settings = settings.model_copy(update={"render": False})
        written = _write_explanation(explanation, video_paths(video), folder, settings, timer)
        if "report" in outputs:
            with timer.stage("report"):
                write_report_files(
                    read_explanation(folder),  # as a later `tam-video report` will read it
                    added.report_sources or video_paths(video),
                    folder,
                    progress=partial(timer.report, "report"),
                    index_url=added.index_url,
                )
        for output in _PATTERNS.keys() - set(outputs):
            for pattern in _PATTERNS[output]:
                for path in folder.glob(pattern):
                    path.unlink()
        for name, path in added.attached.items():
            path.rename(folder / name)
    return RunFiles(target, written, run_files(target))


def _write_explanation(
    explanation: Explanation,
    sources: Sequence[Path],
    folder: Path,
    settings: RunConfig,
    timer: StageTimer,
) -> Explanation:
    """Write the arrays, videos and JSON. Return the explanation with render times and warnings."""
    write_arrays(explanation, folder / _FILES["maps"])
    if settings.render:
        with timer.stage("render"):
            warnings = _render_inputs(
                explanation,
                sources,
                folder,
                options=render_options(settings),
                progress=partial(timer.report, "render"),
            )
        explanation = replace(
            explanation,
            timings=dict(timer.seconds),
            warnings=(*explanation.warnings, *warnings),
        )
    write_document(explanation, folder / _FILES["explanation"])
    return explanation


def render_run(
    run_dir: str | Path,
    *,
    options: RenderOptions | None = None,
    video: PathLike | Sequence[PathLike] | None = None,
    allow_other_video: bool = False,
    progress: StageProgress | None = None,
) -> RunFiles:
    """Render the annotated video of a run folder again, without a model.

    Args:
        run_dir: a finished run folder; its MP4 and captions are replaced together.
        options: how it looks.
        video: where the source is now, or all sources, if they were moved.
        allow_other_video: accept a copy with other content, see `check_source`; the manifest
            records it.
        progress: called as frames are drawn.

    Raises:
        RunFolderError: not a finished run, or the source is not the file that was explained.
        TamVideoError: the source can't be read, or the result can't be written.
    """
    folder = Path(run_dir)
    explanation = load_explanation(folder)
    sources = check_sources(explanation.inputs, video, allow_other=allow_other_video)
    notes = tuple(line for source in sources for line in source.warnings)
    timer = StageTimer(progress)
    with replace_files(folder, warnings={"render": notes}) as temporary, timer.stage("render"):
        warnings = _render_inputs(
            explanation,
            [source.path for source in sources],
            temporary,
            options=options,
            progress=partial(timer.report, "render"),
        )
    return RunFiles(folder, explanation, run_files(folder), (*notes, *warnings))


def _render_inputs(
    explanation: Explanation,
    sources: Sequence[Path],
    folder: Path,
    *,
    options: RenderOptions | None,
    progress: StepProgress,
) -> tuple[str, ...]:
    """Render the annotated video of every input, and return the warnings."""
    warnings: list[str] = []
    for index, source in enumerate(sources):
        target = folder / f"input_{index}" if index else folder
        target.mkdir(exist_ok=True)
        rendered = render_annotated(
            explanation.of_input(index), source, target, options=options, progress=progress
        )
        warnings += rendered.warnings
        if index:
            for path in list(target.iterdir()):
                path.rename(folder / numbered(path.name, index))
            target.rmdir()
    return tuple(warnings)


def render_options(settings: RunConfig) -> RenderOptions:
    """Return the rendering options from the settings.

    Raises:
        ConfigError: a name is unknown, or settings contradict each other.
        MissingDependencyError: a library that a still needs is not installed.
    """
    check_libraries(settings.stills)
    return RenderOptions.of_run(settings)


def run_files(folder: Path) -> dict[str, Path]:
    """Return the files that exist in a run folder, by kind; see `RunFiles.files`."""
    files = {key: folder / name for key, name in _FILES.items() if (folder / name).exists()}
    for key, name in _FILES.items():
        stem, _, suffix = name.rpartition(".")
        for path in folder.glob(f"{stem}_[0-9]*.{suffix}"):
            files[f"{key}_{path.stem.rpartition('_')[2]}"] = path
    return files


def _check_outputs(outputs: Collection[Output]) -> None:
    unknown = set(outputs) - OUTPUTS
    if unknown or isinstance(outputs, str):
        raise ConfigError(
            f"unknown outputs: {', '.join(sorted(unknown)) or outputs}",
            hint=f"choose outputs from {', '.join(sorted(OUTPUTS))}",
        )


def default_run_dir(
    video: PathLike | Sequence[PathLike],
    config: RunConfig,
    turns: Sequence[Message],
    *,
    answer: str | None,
) -> Path:
    """Return the default folder, `tam_runs/<stem>-<hash>`. Equal arguments give the same folder.

    Raises:
        VideoOpenError: the video can't be read.
        TamVideoError: as `resolve_profile`.
    """
    paths, config = video_paths(video), resolve_profile(config).config
    questions = repr([(turn.role, turn.text, turn.inputs) for turn in turns])
    key = "\n".join(
        [*map(video_fingerprint, paths), config.model_dump_json(), questions, repr(answer)]
    )
    stem = path_component(paths[0].stem)
    return Path("tam_runs") / f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
