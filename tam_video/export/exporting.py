"""Export tracks in the given formats. Existing files are replaced only with `force`.

Owns which words and frames are exported. Each format has its own module; `export_folder` owns where
files are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from tam_video.errors import ConfigError, ExportError, RunFolderError
from tam_video.export import EXPORTERS
from tam_video.export.arrays import numbered
from tam_video.export.document import load_explanation
from tam_video.export.export_folder import export_folder, refuse_existing_exports
from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.source_times import source_frame_seconds
from tam_video.localise import Keep, slot_timeline, word_tracks
from tam_video.render.turns import find_word, shown_words
from tam_video.stages import StageProgress
from tam_video.types import Explanation, Float64Array, IntArray
from tam_video.video.source import moved_videos
from tam_video.workspace.files import wrap_os_errors

Frames: TypeAlias = Literal["all", "seen"]
"""Frames in formats with one entry per frame: all of the source, or those the model saw."""
Words: TypeAlias = Literal["content", "all"] | Sequence[int | str]
"""Exported words: the content words, all, or some by index or text."""


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """The paths of the written files.

    Attributes:
        out_dir: the folder.
        files: for each format its files and folders; names for the second and later inputs end
            with the index of the input.
        warnings: what a reader of the files should know.
    """

    out_dir: Path
    files: Mapping[str, tuple[Path, ...]]
    warnings: tuple[str, ...] = ()


def export_run(
    run_dir: str | Path,
    formats: Sequence[str],
    *,
    out_dir: str | Path | None = None,
    words: Words = "content",
    frames: Frames = "all",
    keep: Keep = "peak",
    video: str | Path | Sequence[str | Path] | None = None,
    allow_other_video: bool = False,
    force: bool = False,
    progress: StageProgress | None = None,
) -> ExportedFiles:
    """Write the tracks of a run folder in the formats of other tools, without a model.

    Args:
        run_dir: a finished run folder.
        formats: names in `EXPORTERS`.
        out_dir: output folder; `export` in the run folder by default.
        words: "content" words, "all", or some by index or text.
        frames: "all" frames of the source, or those that the model has "seen", in formats with one
            entry per frame.
        keep: the component that contains the peak of a map, or "all" cells above the threshold.
        video: where the source is now, or all sources, if they were moved. The times of the frames
            are read from it; without it they are estimated.
        allow_other_video: accept a copy with other content, see `check_source`; `exports.json`
            records it.
        force: replace earlier exports.
        progress: called with "export", the number of formats done, and the total.

    Raises:
        ConfigError: an unknown format or word, or not as many videos as inputs.
        RunFolderError: not a finished run, a damaged one, or a given video is not the one that was
            explained.
        OutputExistsError: a file exists and may not be replaced.
        MissingDependencyError: a format needs a package that is not installed.
        ExportError: a file can't be written.
    """
    folder = Path(run_dir)
    explanation = load_explanation(folder)
    sources = [
        source_frame_seconds(explanation.of_input(index), path, allow_other=allow_other_video)
        for index, path in enumerate(moved_videos(video, len(explanation.inputs)))
    ]
    return export_explanation(
        explanation,
        formats,
        folder / "export" if out_dir is None else out_dir,
        words=words,
        frames=frames,
        keep=keep,
        frame_seconds=[source.frame_seconds for source in sources],
        force=force,
        progress=progress,
        warnings=[line for source in sources for line in source.warnings],
    )


def export_explanation(
    explanation: Explanation,
    formats: Sequence[str],
    out_dir: str | Path,
    *,
    words: Words = "content",
    frames: Frames = "all",
    keep: Keep = "peak",
    frame_seconds: Sequence[Float64Array] | None = None,
    force: bool = False,
    progress: StageProgress | None = None,
    warnings: Sequence[str] = (),
) -> ExportedFiles:
    """Write the tracks of an explanation in the formats of other tools; see `export_run`.

    `frame_seconds` has for each input float64 [F], the pts of every frame of its source; without
    it they are estimated. `warnings` are about the sources; `exports.json` records them.

    Raises:
        TamVideoError: as `export_run`.
    """
    exporters = _load_all(formats)
    if frames not in ("all", "seen"):
        raise ConfigError(f"'frames' must be 'all' or 'seen', not {frames!r}", hint="pass 'all'")
    indices = _word_indices(explanation, words)
    times: Sequence[Float64Array | None] = frame_seconds or [None] * len(explanation.inputs)
    inputs = [
        _tracked_input(explanation, index, indices, frames=frames, keep=keep, frame_seconds=seconds)
        for index, seconds in enumerate(times)
    ]
    target = Path(out_dir)
    files = {
        each.name: tuple(
            target / numbered(name, index) for index in range(len(inputs)) for name in each.files
        )
        for each in exporters
    }
    refuse_existing_exports(target, files, force=force)
    with export_folder(target, files, warnings=warnings) as temporary:
        for done, exporter in enumerate(exporters):
            if progress is not None:
                progress("export", done, len(exporters))
            for index, tracked in enumerate(inputs):
                _write(exporter, tracked, temporary, index)
    lines = (line for tracked in inputs for line in _warnings(tracked))
    return ExportedFiles(target, files, (*warnings, *lines))


def list_exporters() -> tuple[Exporter, ...]:
    """Return all available export formats, sorted by name.

    Raises:
        ConfigError: one of another package can't be loaded.
    """
    return tuple(_load(name) for name in EXPORTERS.names())


def _load_all(formats: Sequence[str]) -> list[Exporter]:
    if not formats:
        raise ConfigError(
            "no format is given", hint="pass formats such as -f coco,vtt; --list shows all formats"
        )
    exporters = [_load(name) for name in dict.fromkeys(formats)]
    for exporter in exporters:
        exporter.check_package()
    return exporters


def _load(name: str) -> Exporter:
    try:
        exporter: Exporter = EXPORTERS.load(name)
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"the export format {name!r} can't be loaded: {exc}",
            hint="repair or uninstall the package that provides the format",
        ) from exc
    return exporter


def _word_indices(explanation: Explanation, words: Words) -> list[int]:
    """Return the indices of the exported words, in the order of the answer."""
    if words == "content":
        return [word.index for word in shown_words(explanation)]
    if words == "all":
        return [word.index for word in explanation.words]
    if isinstance(words, str):
        raise ConfigError(f"'words' must be 'content' or 'all', not {words!r}", hint="pass 'all'")
    return sorted({find_word(explanation, wanted).index for wanted in words})


def _tracked_input(
    explanation: Explanation,
    index: int,
    words: Sequence[int],
    *,
    frames: Frames,
    keep: Keep,
    frame_seconds: Float64Array | None,
) -> TrackedInput:
    """Compute the tracks of the exported words in one input."""
    alone = explanation.of_input(index)
    if not np.isfinite(alone.word_maps).all():
        raise RunFolderError(
            f"the maps of {alone.info.path.name} contain values that are not finite",
            hint="the run is damaged: explain the clip again",
        )
    tracks = word_tracks(explanation, index, keep=keep, frame_seconds=frame_seconds)
    listed: IntArray = (
        np.unique(alone.indices) if frames == "seen" else np.arange(alone.info.num_frames)
    )
    return TrackedInput(
        alone,
        tuple(tracks[word] for word in words),
        slot_timeline(alone, frame_seconds=frame_seconds),
        listed,
    )


def _warnings(tracked: TrackedInput) -> Iterator[str]:
    pairs = zip(tracked.tracks, tracked.labels, strict=True)
    if empty := [repr(label) for track, label in pairs if track.is_empty]:
        yield f"{tracked.file_name}: no track for {', '.join(empty)}: a constant map"


def _write(exporter: Exporter, tracked: TrackedInput, folder: Path, index: int) -> None:
    """Run an exporter in an empty folder, then move its files to the export folder."""
    temporary = folder / "at_work"
    with wrap_os_errors(folder):
        temporary.mkdir()
        exporter.write(tracked, temporary)
        written = {path.name for path in temporary.iterdir()}
        if written != set(exporter.files):
            raise ExportError(
                f"the format {exporter.name!r} wrote the files {sorted(written)} "
                f"instead of {sorted(exporter.files)}",
                hint="the exporter is defective; omit this format",
            )
        for name in exporter.files:
            (temporary / name).rename(folder / numbered(name, index))
        temporary.rmdir()
