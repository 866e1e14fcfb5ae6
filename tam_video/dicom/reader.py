"""Read DICOM files as RGB frames, with frame times from the tags."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.dicom.colours import Colours, Samples, stretch_of
from tam_video.dicom.header import Header, dicom_errors, number, read_header
from tam_video.dicom.regions import ultrasound_regions
from tam_video.dicom.streams import check_streams
from tam_video.dicom.timing import FrameTimes, TimingSource, frame_times
from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray, VideoInfo
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, Timeline, VideoReader

_logger = logging.getLogger(__name__)
_STRETCH_FRAMES = 8  # that define the range of values if there is no window


class DicomReader(VideoReader):
    """Reader of DICOM files; see `VideoReader` for the interface.

    Except for the file name, `info` contains nothing about a patient.

    Attributes:
        header: technical facts of the file.
        regions: ultrasound regions that the file marks, largest first.
    """

    def __init__(self, path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        """Read the technical tags and decode the first frame.

        Raises:
            MissingDependencyError: pydicom or a decoder is not installed.
            VideoOpenError: not DICOM, too large, or in an unsupported encoding.
            NoVideoStreamError: the file contains no pixels.
            VideoDecodeError: the first frame can't be decoded.
        """
        self._path = path
        self.header = read_header(path, limits=limits)
        check_streams(path, self.header)
        with dicom_errors(path.name, opening=True):
            self._times = frame_times(self.header.dataset, self.header.num_frames)
            self.regions = ultrasound_regions(
                self.header.dataset, width=self.header.width, height=self.header.height
            )
        if self._times.duration_seconds > limits.max_seconds:
            raise VideoOpenError(
                f"{path.name} lasts {float(self._times.duration_seconds):.0f} seconds",
                hint=f"the limit is {limits.max_seconds:g} seconds; cut the file first",
            )
        self._warnings: list[str] = list(self._times.warnings)
        self._colours = self._make_colours()
        self._info = _info(path, self.header, self._times)
        self._timeline = Timeline(
            pts_seconds=self._times.pts_seconds,
            is_keyframe=np.ones(self.header.num_frames, np.bool_),
        )
        self.read([0])
        for warning in self._warnings:
            _logger.warning("%s: %s", path.name, warning)

    @property
    def timing_source(self) -> TimingSource:
        """Name of the tag that defines the frame times."""
        return self._times.source

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        for index, samples in self._samples(wanted):
            with dicom_errors(self._path.name, frame_index=index):
                rgb = self._colours.rgb(samples, index)
            if rgb.shape != (self.header.height, self.header.width, 3):
                raise VideoDecodeError(
                    f"frame {index} of {self._path.name} does not have the declared frame size",
                    hint="the file is damaged",
                    frame_index=index,
                )
            yield index, rgb

    def _samples(self, wanted: Sequence[int]) -> Iterator[tuple[int, Samples]]:
        """Yield (index, samples) for ascending frame numbers. Samples in colour are RGB."""
        from pydicom.pixels.utils import iter_pixels

        if not wanted:
            return
        # Sequential decoding is faster, but pydicom 3.0 does not correct signed samples in it.
        is_grey = self.header.photometric.startswith("MONOCHROME")
        in_sequence = len(wanted) == self.header.num_frames and not is_grey
        source: Any = self.header.dataset if self.header.holds_pixels else self._path
        decoded = iter_pixels(
            source,
            indices=None if in_sequence else wanted,
            decoding_plugin=self.header.plugin,
        )
        for index in wanted:
            with dicom_errors(self._path.name, frame_index=index):
                samples = next(decoded, None)
            if samples is None:
                raise VideoDecodeError(
                    f"{self._path.name} ends before frame {index}",
                    hint="the file may be truncated; copy the file again",
                    frame_index=index,
                )
            yield index, samples

    def _make_colours(self) -> Colours:
        """Create the colour conversion from an intensity window or the value range of frames."""
        header = self.header
        colours = Colours(header.dataset, header.photometric, header.bits_stored)
        with dicom_errors(self._path.name, opening=True):
            is_grey = header.photometric.startswith("MONOCHROME")
            is_plain = header.bits_stored <= 8 and not (
                header.dataset.get("PixelRepresentation")
                or header.dataset.get("RescaleSlope")
                or header.dataset.get("ModalityLUTSequence")
            )
            if not is_grey or is_plain or colours.has_window(0):
                return colours
            padding = number(header.dataset.get("PixelPaddingValue"))
        count = min(_STRETCH_FRAMES, header.num_frames)
        some = np.unique(np.linspace(0, header.num_frames - 1, count).astype(int)).tolist()
        rescaled = [colours.rescaled(samples, index) for index, samples in self._samples(some)]
        low, high = stretch_of(rescaled, None if padding is None else float(padding))
        self._warnings.append(
            f"no window defined: {low:g} to {high:g}, the range of {len(some)} frames, is displayed"
        )
        return replace(colours, stretch=(low, high))


def _info(path: Path, header: Header, times: FrameTimes) -> VideoInfo:
    return VideoInfo(
        path=path,
        num_frames=header.num_frames,
        width=header.width,
        height=header.height,
        average_fps=times.average_fps,
        duration_seconds=float(times.duration_seconds),
        codec=header.transfer_syntax,
        pixel_format=f"{header.photometric} {header.bits_stored} bit",
        color_space="rgb",
        color_range="full",
        sample_aspect_ratio=header.pixel_aspect,
        time_base=times.time_base,
        is_image=header.num_frames == 1,
    )
