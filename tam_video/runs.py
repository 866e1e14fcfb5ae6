"""Run folders: an explanation written with its videos, and drawn again without a model."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError, OutputExistsError, RunFolderError, VideoOpenError
from tam_video.export.arrays import write_arrays
from tam_video.export.document import read_explanation, write_document
from tam_video.export.manifest import (
    new_run_folder,
    read_manifest,
    refuse_existing,
    replace_files,
    video_fingerprint,
)
from tam_video.models import VideoModel
from tam_video.pipeline import PathLike, explain, video_paths
from tam_video.render.annotate import render_annotated
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.render.sheet import check_libraries
from tam_video.settings.keywords import SettingKeywords
from tam_video.settings.signature import list_settings
from tam_video.stages import StageProgress, StageTimer, StepProgress
from tam_video.types import Explanation, Message
from tam_video.video.encoders import choose_encoder
from tam_video.video.reader import open_video
from tam_video.workspace.files import wrap_os_errors

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
    force: bool = False,
    progress: StageProgress | None = None,
    **settings: Unpack[SettingKeywords],
) -> RunFiles:
    """`explain`, then write the run folder: JSON, arrays, annotated videos, captions, manifest.

    The folder is written aside and renamed: it is complete or not there. Single settings can be
    given by name, such as `layout="grid"`; they override `config`.

    Raises:
        OutputExistsError: `run_dir` exists and `force` is not set, or it is no run folder.
        TamVideoError: as `explain`; or a file can't be written.
    """
    chosen, target = make_config(settings, base=config), Path(run_dir)
    refuse_existing(target, force=force)
    render_options(chosen)  # a wrong name is told before the model runs
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
    return write_run(explanation, video, target, settings=chosen, force=force, progress=progress)


def write_run(
    explanation: Explanation,
    video: PathLike | Sequence[PathLike],
    run_dir: str | Path,
    *,
    settings: RunConfig,
    force: bool = False,
    progress: StageProgress | None = None,
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
    progress: StageProgress | None = None,
) -> Explanation:
    """Write the files of a run folder but its manifest, as `write_run` does.

    Returns:
        The explanation with the time and the warnings of the drawing.

    Raises:
        TamVideoError: a source can't be read, or a file can't be written.
    """
    stages = StageTimer(progress, dict(explanation.timings))
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
    progress: StageProgress | None = None,
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
    stages = StageTimer(progress)
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
    progress: StageProgress | None = None,
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
    look = replace(options or RenderOptions(), layout="overlay")
    if target.suffix.lower() != ".mp4":
        raise ConfigError(f"{target.name} is no name of an MP4", hint="-o comparison.mp4")
    names = [target.name] + [f"{target.stem}.{kind}" for kind in ("vtt", *look.previews)]
    for place in (target.with_name(name) for name in names):
        if place.exists() and not force:
            raise OutputExistsError(f"{place} exists", hint="choose another -o, or pass --force")
    source = _source(explanations[0], None if video is None else Path(video))
    for explanation in explanations[1:]:
        _source(explanation, source)
    stages = StageTimer(progress)
    with wrap_os_errors(target):
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
    progress: StepProgress,
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
    return RenderOptions.of_run(settings)


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
