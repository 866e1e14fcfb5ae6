"""Write the report of a run folder: `report.html` with media files, or one file with everything.

In the folder: `report.html`, the clean clip beside it (`clip.mp4`, `still.jpg` of a picture, `_1`
for the next inputs), `thumb.jpg` for an index page, and `report.json`, which lists what the page
shows, so that it can be made again without the source. Neither model nor torch is needed.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from tam_video.errors import OutputExistsError, VideoOpenError
from tam_video.export.document import load_explanation
from tam_video.export.manifest import replace_files
from tam_video.report.media import NO_MEDIA, Media, Source, write_media, write_thumb
from tam_video.report.page import Page, report_page
from tam_video.stages import StepProgress
from tam_video.types import Explanation
from tam_video.video.source import CheckedSource, check_sources
from tam_video.workspace.files import atomic_write, wrap_os_errors

logger = logging.getLogger(__name__)

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
    allow_other_video: bool = False,
    clip: bool = True,
    force: bool = False,
    progress: StepProgress | None = None,
) -> Path:
    """Write the report of a finished run.

    Args:
        run_dir: the run folder.
        single_file: put clip and pictures into the page, which is called `report_single.html`.
        output: write one single file here instead, and nothing into the run folder.
        video: where the source is now, or all sources, if they were moved.
        allow_other_video: accept a copy with other content, see `check_source`; the page says so
            and the manifest records it.
        clip: whether the report shows the source; otherwise it holds no picture of it.
        force: replace an existing report.
        progress: called with (frames done, frames in all) as a clip is encoded.

    Returns:
        The page.

    Raises:
        RunFolderError: not a finished run, or the source is not the file that was explained.
        OutputExistsError: the report exists and `force` is not set.
        ConfigError: the number of videos is not that of the inputs.
        InputError: the source can't be read.
        OutputError: a file can't be written.
    """
    folder = Path(run_dir)
    explanation = load_explanation(folder)
    is_single = single_file or output is not None
    target = Path(output) if output else folder / (SINGLE_FILE if is_single else REPORT)
    if os.path.lexists(target) and not force:
        raise OutputExistsError(f"{target} already exists", hint="pass --force to overwrite")
    sources = _sources(explanation, video, allow_other_video) if clip else []
    notes = tuple(line for source in sources for line in source.warnings)
    for line in notes:
        logger.warning(line)
    write = partial(
        write_report_files,
        replace(explanation, warnings=(*explanation.warnings, *notes)),
        [source.path for source in sources],
        name=target.name,
        is_single=is_single,
        progress=progress,
    )
    if output is None:
        with replace_files(folder, warnings={"report": notes}) as temporary:
            write(temporary)
        return target
    with tempfile.TemporaryDirectory(prefix="tam-video-") as temporary_name:
        page = write(Path(temporary_name))
        return atomic_write(target, page.read_bytes())


def write_report_files(
    explanation: Explanation,
    sources: Sequence[Source],
    folder: Path,
    *,
    name: str = REPORT,
    is_single: bool = False,
    progress: StepProgress | None = None,
    index_url: str | None = None,
) -> Path:
    """Write the files of a report into a run folder that is still being written.

    Args:
        explanation: all inputs of it.
        sources: the file or open reader of each input, known to be what was explained; none for a
            report without pictures.
        folder: where they are written.
        name: of the page.
        is_single: put the pictures into the page and write nothing else; the folder must be empty.
        progress: called with (frames done, frames in all) as a clip is encoded.
        index_url: address of a page that lists this run among others.

    Returns:
        The page.

    Raises:
        InputError: a source can't be read.
        OutputError: a file can't be written.
    """
    with wrap_os_errors(folder):
        media = tuple(
            write_media(explanation.of_input(index), source, folder, index=index, progress=progress)
            for index, source in enumerate(sources)
        ) or (NO_MEDIA,) * len(explanation.inputs)
        if is_single:
            media = tuple(shown.inlined(folder) for shown in media)
            for path in list(folder.iterdir()):
                path.unlink()
        else:
            listed = {"inputs": [asdict(shown) for shown in media]}
            (folder / MEDIA_LIST).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
        page = folder / name
        page.write_bytes(report_page(explanation, media, index_url=index_url).encoded())
        if sources and not is_single:
            write_thumb(explanation, sources[0], folder / THUMB)
    return page


def read_media(folder: Path, explanation: Explanation) -> tuple[Media, ...]:
    """Return the media of each input, or empty media for all inputs if a file is missing."""
    from pydantic import TypeAdapter

    try:
        listed = json.loads((folder / MEDIA_LIST).read_text(encoding="utf-8"))
        media = TypeAdapter(tuple[Media, ...]).validate_python(listed["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        media = ()
    is_complete = len(media) == len(explanation.inputs) and all(
        Path(name).name == name and (folder / name).is_file()
        for shown in media
        for name in shown.sources
    )
    return media if is_complete else (NO_MEDIA,) * len(explanation.inputs)


def render_report(folder: Path, *, index_url: str | None = None) -> Page:
    """Render the report page of a run folder again, and reuse its media files.

    Raises:
        RunFolderError: not a finished run.
    """
    explanation = load_explanation(folder)
    return report_page(explanation, read_media(folder, explanation), index_url=index_url)


def _sources(
    explanation: Explanation,
    video: str | Path | Sequence[str | Path] | None,
    allow_other: bool,
) -> list[CheckedSource]:
    try:
        return check_sources(explanation.inputs, video, allow_other=allow_other)
    except VideoOpenError as exc:
        raise VideoOpenError(
            exc.message,
            hint="pass the video with --video PATH, or pass --no-clip for a report without video",
        ) from exc
