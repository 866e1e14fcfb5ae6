"""Find the input files of the medical pipeline, and import them as de-identified clips.

Frames are read, masked, cropped and written to a new lossless file that is named by a pseudonym;
later stages read that file only. A source is opened through a link with another name, so that no
message, log or temporary file of a reader can contain its name.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path

from pydantic import TypeAdapter

from tam_video.batch.clips import find_clips, has_clip_suffix
from tam_video.batch.sources import is_remote
from tam_video.dicom.reader import DicomReader
from tam_video.errors import ConfigError, VideoOpenError
from tam_video.export.manifest import sha256
from tam_video.pipelines.medical.identity import Pseudonyms, Salt, pseudonyms_of
from tam_video.pipelines.medical.masking import Masking, plan_masking
from tam_video.pipelines.medical.options import MedicalOptions
from tam_video.video.lossless import write_lossless
from tam_video.video.reader import VideoReader, is_dicom, open_video
from tam_video.workspace.files import atomic_write, wrap_os_errors

_MEDIA_INDEX = "DICOMDIR"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import."""

    name: str  # in messages: "input-3" is the third of all files
    path: Path  # never shown
    is_named: bool  # the preset names this file itself, so it must contain pixels


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """List all files that the inputs match: DICOM by content, videos and images by suffix.

    Hidden files and links that lead out of their folder are skipped.

    Raises:
        ConfigError: an input matches no file.
    """
    paths: dict[Path, bool] = {}
    for number, text in enumerate(inputs, start=1):
        if is_remote(text):
            raise ConfigError(
                f"input {number} is a URL, but only local files are supported",
                hint="copy the files to this machine first",
            )
        is_named = Path(text).is_file()
        matches = [Path(text)] if is_named else _matches(text)
        if not matches:
            raise ConfigError(
                f"input {number} of the preset matches no DICOM file, video or image",
                hint="check the path; it is relative to the folder of the preset",
            )
        for path in matches:
            paths[path.absolute()] = is_named or paths.get(path.absolute(), False)
    return [
        Source(f"input-{number}", path, is_named)
        for number, (path, is_named) in enumerate(paths.items(), 1)
    ]


def _matches(text: str) -> list[Path]:
    try:
        return [Path(path) for _, path in find_clips(text, is_clip=_is_readable)]
    except ConfigError:  # its message contains the path
        return []


def _is_readable(path: Path) -> bool:
    return has_clip_suffix(path) or (path.name != _MEDIA_INDEX and is_dicom(path))


@dataclass(frozen=True, slots=True)
class MedicalClip:
    """A de-identified clip and technical metadata of its source.

    Attributes:
        clip: pseudonym of the file.
        study: pseudonym of the study.
        patient: pseudonym of the patient; empty if the file names none.
        file: file name of the clip.
        modality: a defined term of DICOM, or "video".
        transfer_syntax: transfer syntax or codec of the source.
        photometric: photometric interpretation of the source; empty if it is not DICOM.
        num_frames: number of frames.
        width: pixels, after cropping.
        height: pixels, after cropping.
        duration_seconds: up to the end of the last frame.
        timing: tag that the times come from; "container" if it is not DICOM.
        black_share: fraction of the source's pixels that were masked or cropped off.
        has_burned_in: whether text that names a patient may still be visible.
        warnings: fallbacks taken.
        sha256: SHA-256 of the clip; empty in an older folder.
    """

    clip: str
    study: str
    patient: str
    file: str
    modality: str
    transfer_syntax: str
    photometric: str
    num_frames: int
    width: int
    height: int
    duration_seconds: float
    timing: str
    black_share: float
    has_burned_in: bool
    warnings: tuple[str, ...]
    sha256: str = ""

    @classmethod
    def read(cls, path: Path, *, verify: bool = False) -> MedicalClip | None:
        """Read the JSON file of a clip. Return None if this file or the clip is unusable.

        Args:
            path: the JSON file.
            verify: compare the hash of the clip.
        """
        try:
            clip = TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None
        file = path.with_name(clip.file)
        if not file.is_file() or (verify and sha256(file) != clip.sha256):
            return None
        return clip


def import_clip(
    source: Path, folder: Path, *, name: str, options: MedicalOptions, salt: Salt
) -> MedicalClip:
    """De-identify a file and return the clip, or return the clip that an earlier run wrote.

    Args:
        source: the file.
        folder: folder of the clips.
        name: name of the file in messages.
        options: mask and crop.
        salt: secret key of pseudonyms.

    Raises:
        InputError: the file can't be read, or text would stay visible; the message names no one.
        MissingDependencyError: pydicom or a decoder is not installed.
        OutputError: the clip can't be written.
    """
    with anonymous_link(source, name) as link:
        ids = pseudonyms_of(link, salt, is_dicom=is_dicom(link))
        facts = folder / f"{ids.clip}.json"
        existing = MedicalClip.read(facts, verify=options.verify)
        if existing is not None:
            return existing
        with open_video(link) as reader:
            dicom = reader if isinstance(reader, DicomReader) else None
            masking = plan_masking(
                options,
                dicom.regions if dicom else (),
                name=name,
                width=reader.info.width,
                height=reader.info.height,
                burned_in=dicom.header.burned_in if dicom else "",
            )
            clip = _describe(reader, dicom, masking, ids)
            with wrap_os_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            _write_clip(folder / clip.file, reader, masking)
    clip = replace(clip, sha256=sha256(folder / clip.file))
    atomic_write(facts, json.dumps(asdict(clip), indent=1, sort_keys=True) + "\n")
    return clip


@contextmanager
def anonymous_link(source: Path, name: str) -> Iterator[Path]:
    """Yield a path to the content of a file. The path contains `name` instead of the file name.

    Raises:
        VideoOpenError: the file can't be opened.
    """
    suffix = source.suffix.lower() if has_clip_suffix(source) else ""
    try:
        file = source.open("rb")
    except OSError as exc:
        raise VideoOpenError(
            f"{name} can't be opened: {exc.strerror}", hint="check the path and its permissions"
        ) from None
    with file, tempfile.TemporaryDirectory(prefix="tam-video-") as folder:
        link, open_files = Path(folder) / f"{name}{suffix}", Path("/proc/self/fd")
        # With /proc, even a killed run leaves no link that contains the name.
        target = open_files / str(file.fileno()) if open_files.is_dir() else source.absolute()
        link.symlink_to(target)
        yield link


def _write_clip(path: Path, reader: VideoReader, masking: Masking) -> None:
    if reader.info.is_image:
        from PIL import Image

        file = BytesIO()
        Image.fromarray(masking.apply(reader.read([0]).frames[0])).save(file, "PNG")
        atomic_write(path, file.getvalue())
        return
    crop, info = masking.crop, reader.info
    write_lossless(
        path,
        ((each.pts_seconds, masking.apply(each.rgb)) for each in reader.frames()),
        width=crop.right - crop.left,
        height=crop.bottom - crop.top,
        time_base=info.time_base,
        pixel_aspect=info.sample_aspect_ratio,
        end_seconds=float(reader.timeline.pts_seconds[0]) + info.duration_seconds,
    )


def _describe(
    reader: VideoReader, dicom: DicomReader | None, masking: Masking, ids: Pseudonyms
) -> MedicalClip:
    info, crop = reader.info, masking.crop
    return MedicalClip(
        **asdict(ids),
        file=f"{ids.clip}.{'png' if info.is_image else 'mp4'}",
        modality=dicom.header.modality if dicom else "video",
        transfer_syntax=dicom.header.transfer_syntax if dicom else info.codec,
        photometric=dicom.header.photometric if dicom else "",
        num_frames=info.num_frames,
        width=crop.right - crop.left,
        height=crop.bottom - crop.top,
        duration_seconds=info.duration_seconds,
        timing=dicom.timing_source if dicom else "container",
        black_share=round(masking.black_share, 4),
        has_burned_in=masking.has_burned_in,
        warnings=(*reader.warnings, *masking.warnings),
    )
