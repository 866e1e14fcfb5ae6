"""Explanations handed to other tools: formats by name, written whole, nothing overwritten unasked.

Owns: which words and frames are exported. How a format looks is its own module's, where files go is
`export_folder`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from tam_video.errors import ConfigError, ExportError, RunFolderError
from tam_video.export import EXPORTERS
from tam_video.export.document import read_explanation
from tam_video.export.export_folder import export_folder, refuse_existing_exports
from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.manifest import read_manifest
from tam_video.export.source_times import source_frame_seconds
from tam_video.localise import Keep, slot_timeline, word_tracks
from tam_video.render.turns import find_word, shown_words
from tam_video.stages import StageProgress
from tam_video.types import Explanation, Float64Array, IntArray
from tam_video.video.source import moved_videos
from tam_video.workspace.files import wrap_os_errors

Frames: TypeAlias = Literal["all", "seen"]
"""Which frames of the source formats with one entry a frame list: all, or those the model saw."""
Words: TypeAlias = Literal["content", "all"] | Sequence[int | str]
"""Which words are exported: the content words, all, or some by index or text."""


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """What was written.

    Attributes:
        out_dir: the folder.
        files: for each format its files and folders; those of the second and later inputs have the
            input's number behind the name.
        warnings: what a reader of the files should know, in words.
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
    """Write a run folder's tracks in the formats of other tools; needs no model.

    Args:
        run_dir: a finished run folder.
        formats: names in `EXPORTERS`.
        out_dir: where to write; `export` in the run folder unless told.
        words: "content" words, "all", or some by index or text.
        frames: "all" frames of the source, or those that the model has "seen", in formats with one
            entry a frame.
        keep: the component that holds the peak of a map, or "all" hot cells.
        video: where the source is now, or all sources, if they were moved. The times of the frames
            are read from it; without it they are estimated.
        allow_other_video: accept a copy with other content, see `check_source`; `exports.json`
            records it.
        force: replace earlier exports.
        progress: called with "export", the formats done, and how many there are.

    Raises:
        ConfigError: an unknown format or word, or not as many videos as inputs.
        RunFolderError: not a finished run, a damaged one, or a given video is not the one that was
            explained.
        OutputExistsError: a file is there and may not be replaced.
        MissingDependencyError: a format needs a package that is not installed.
        ExportError: a file can't be written.
    """
    folder = Path(run_dir)
    read_manifest(folder)
    explanation = read_explanation(folder)
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
    """Write an explanation's tracks in the formats of other tools; see `export_run`.

    Args:
        explanation: an answer and its maps.
        formats: names in `EXPORTERS`.
        out_dir: where to write.
        words: "content" words, "all", or some by index or text.
        frames: "all" frames of the source, or those that the model has "seen".
        keep: the component that holds the peak of a map, or "all" hot cells.
        frame_seconds: for each input float64 [F], the pts of every frame of its source; estimated
            without it.
        force: replace earlier exports.
        progress: called with "export", the formats done, and how many there are.
        warnings: about the source; recorded in `exports.json` and returned.

    Raises:
        TamVideoError: as `export_run`.
    """
    if not formats:
        raise ConfigError("no format is named", hint="-f coco,vtt; --list shows them all")
    if frames not in ("all", "seen"):
        raise ConfigError(f"frames {frames!r} is neither 'all' nor 'seen'", hint="try all")
    exporters = [_load(name) for name in dict.fromkeys(formats)]
    for exporter in exporters:
        exporter.check_package()
    indices = _chosen(explanation, words)
    inputs = [
        _tracked(
            explanation,
            number,
            indices,
            frames=frames,
            keep=keep,
            frame_seconds=None if frame_seconds is None else frame_seconds[number],
        )
        for number in range(len(explanation.inputs))
    ]
    target = Path(out_dir)
    files = {
        exporter.name: tuple(
            target / _numbered(name, number)
            for number in range(len(inputs))
            for name in exporter.files
        )
        for exporter in exporters
    }
    refuse_existing_exports(target, files, force=force)
    with export_folder(target, files, warnings=warnings) as temporary:
        for done, exporter in enumerate(exporters):
            if progress is not None:
                progress("export", done, len(exporters))
            for number, tracked in enumerate(inputs):
                _write(exporter, tracked, temporary, number)
    told = [*warnings, *(line for tracked in inputs for line in _warnings(tracked))]
    return ExportedFiles(target, files, tuple(told))


def list_exporters() -> tuple[Exporter, ...]:
    """Every format that is there, by name.

    Raises:
        ConfigError: one of another package can't be loaded.
    """
    return tuple(_load(name) for name in EXPORTERS.names())


def _load(name: str) -> Exporter:
    try:
        exporter: Exporter = EXPORTERS.load(name)
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"the export format {name!r} can't be loaded: {exc}",
            hint="mend or uninstall the package that offers it",
        ) from exc
    return exporter


def _chosen(explanation: Explanation, words: Words) -> list[int]:
    """Indices of the words that are exported, in the order of the answer."""
    if words == "content":
        return [word.index for word in shown_words(explanation)]
    if words == "all":
        return [word.index for word in explanation.words]
    if isinstance(words, str):
        raise ConfigError(f"words {words!r} is neither 'content' nor 'all'", hint="or give a list")
    return sorted({find_word(explanation, wanted).index for wanted in words})


def _tracked(
    explanation: Explanation,
    number: int,
    indices: Sequence[int],
    *,
    frames: Frames,
    keep: Keep,
    frame_seconds: Float64Array | None,
) -> TrackedInput:
    seen = explanation.of_input(number)
    if not np.isfinite(seen.word_maps).all():
        raise RunFolderError(
            f"the maps of {seen.info.path.name} hold values that are not finite",
            hint="the run is damaged: explain the clip again",
        )
    tracks = word_tracks(explanation, number, keep=keep, frame_seconds=frame_seconds)
    listed: IntArray = (
        np.unique(seen.indices) if frames == "seen" else np.arange(seen.info.num_frames)
    )
    return TrackedInput(
        seen,
        tuple(tracks[index] for index in indices),
        slot_timeline(seen, frame_seconds=frame_seconds),
        listed,
    )


def _warnings(tracked: TrackedInput) -> Iterator[str]:
    nowhere = [
        label for track, label in zip(tracked.tracks, tracked.labels, strict=True) if track.is_empty
    ]
    if nowhere:
        yield f"{tracked.file_name}: no place for {', '.join(map(repr, nowhere))}: an even map"


def _numbered(name: str, number: int) -> str:
    """`coco.json` of the first input, `coco_1.json` of the second."""
    path = Path(name)
    return f"{path.stem}_{number}{path.suffix}" if number else name


def _write(exporter: Exporter, tracked: TrackedInput, folder: Path, number: int) -> None:
    """Let an exporter write into an empty folder, and take what it said it would write."""
    place = folder / "at_work"
    with wrap_os_errors(folder):
        place.mkdir()
        exporter.write(tracked, place)
        made = {path.name for path in place.iterdir()}
        if made != set(exporter.files):
            raise ExportError(
                f"the format {exporter.name!r} wrote {sorted(made)}, not {sorted(exporter.files)}",
                hint="the exporter is broken; leave it out",
            )
        for name in exporter.files:
            (place / name).rename(folder / _numbered(name, number))
        place.rmdir()
