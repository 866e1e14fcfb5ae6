"""`report.html` of a run folder, or one file that holds everything.

In the folder: `report.html`, the clean clip beside it (`clip.mp4`, `still.jpg` of a picture, `_1`
for the next inputs), `thumb.jpg` for an index page, and `report.json`, which says what the page
shows, so that it can be made again without the source. Neither model nor torch is needed.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tam_video.errors import ConfigError, OutputExistsError, VideoOpenError
from tam_video.export.document import read_explanation
from tam_video.export.manifest import read_manifest, replace_files
from tam_video.report.media import Media, Source, explained_source, write_media, write_thumb
from tam_video.report.page import Page, report_page
from tam_video.stages import StepProgress
from tam_video.types import Explanation
from tam_video.video.reader import VideoReader
from tam_video.workspace.files import atomic_write, wrap_os_errors

REPORT, SINGLE_FILE, MEDIA_LIST, THUMB = (
    "report.html",
    "report_single.html",
    "report.json",
    "thumb.jpg",
)


def write_report(
    run_dir: str | Path,
    *,
    single_file: bool = False,
    output: str | Path | None = None,
    video: str | Path | Sequence[str | Path] | None = None,
    clip: bool = True,
    force: bool = False,
    progress: StepProgress | None = None,
    reader: VideoReader | None = None,
    index_url: str | None = None,
) -> Path:
    """Write the report of a finished run.

    Args:
        run_dir: the run folder.
        single_file: put clip and pictures into the page; it is called `report_single.html`.
        output: write one single file here instead, and nothing into the run folder.
        video: where the source is now, or all sources, if they were moved.
        clip: whether the report shows the source; without, it holds no picture of it.
        force: replace an existing report.
        progress: called with (frames done, frames in all) as a clip is encoded.
        reader: the source, open and known to be what was explained; stays open.
        index_url: address of a page that lists this run among others.

    Returns:
        The page.

    Raises:
        RunFolderError: not a finished run, or the source is not the file that was explained.
        OutputExistsError: the report is there and `force` is not set.
        ConfigError: the number of videos is not that of the inputs.
        InputError: the source can't be read.
        OutputError: a file can't be written.
    """
    folder = Path(run_dir)
    read_manifest(folder)
    is_single = single_file or output is not None
    target = Path(output) if output else folder / (SINGLE_FILE if is_single else REPORT)
    if os.path.lexists(target) and not force:
        raise OutputExistsError(f"{target} exists", hint="pass --force to replace it")
    explanation = read_explanation(folder)
    sources: Sequence[Source] = ()
    if clip:
        sources = _sources(explanation, video) if reader is None else (reader,)
    if output is None:
        with replace_files(folder) as temporary, wrap_os_errors(folder):
            _write(explanation, sources, temporary, target.name, is_single, progress, index_url)
        return target
    with tempfile.TemporaryDirectory(prefix="tam-video-") as name, wrap_os_errors(target):
        _write(explanation, sources, Path(name), target.name, is_single, progress, index_url)
        return atomic_write(target, (Path(name) / target.name).read_bytes())


def read_media(folder: Path, explanation: Explanation) -> tuple[Media, ...]:
    """What the report of a run folder shows of each input; nothing where none was written."""
    try:
        rows = json.loads((folder / MEDIA_LIST).read_text(encoding="utf-8"))["inputs"]
        media = tuple(Media.from_dict(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        media = ()
    found = len(media) == len(explanation.inputs) and all(
        Path(name).name == name and (folder / name).is_file()
        for shown in media
        for name in shown.sources
    )
    return media if found else (Media(),) * len(explanation.inputs)


def render_report(folder: Path, *, index_url: str | None = None) -> Page:
    """The page of a run folder as it would be written now, with the pictures that are there.

    Raises:
        RunFolderError: not a finished run.
    """
    read_manifest(folder)
    explanation = read_explanation(folder)
    return report_page(explanation, read_media(folder, explanation), index_url=index_url)


def _write(
    explanation: Explanation,
    sources: Sequence[Source],
    folder: Path,
    name: str,
    is_single: bool,
    progress: StepProgress | None,
    index_url: str | None,
) -> None:
    media = tuple(
        write_media(explanation.of_input(number), source, folder, number=number, progress=progress)
        for number, source in enumerate(sources)
    ) or (Media(),) * len(explanation.inputs)
    if is_single:
        media = tuple(shown.inlined(folder) for shown in media)
        for path in list(folder.iterdir()):
            path.unlink()
    else:
        listed = {"inputs": [shown.as_dict() for shown in media]}
        (folder / MEDIA_LIST).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    (folder / name).write_bytes(report_page(explanation, media, index_url=index_url).encoded())
    if sources and not is_single:
        write_thumb(explanation, sources[0], folder / THUMB)


def _sources(
    explanation: Explanation, video: str | Path | Sequence[str | Path] | None
) -> list[Path]:
    given = (video,) if isinstance(video, str | Path) else video or ()
    moved = [Path(path) for path in given]
    count = len(explanation.inputs)
    if moved and len(moved) != count:
        raise ConfigError(f"{len(moved)} videos are given for {count} inputs")
    try:
        return [
            explained_source(explanation.of_input(number), moved[number] if moved else None)
            for number in range(count)
        ]
    except VideoOpenError as exc:
        raise VideoOpenError(
            exc.message, hint="pass it with --video PATH, or --no-clip for a report without it"
        ) from exc
