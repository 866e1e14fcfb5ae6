"""Read and write videos: the only package that imports PyAV and decord."""

from tam_video.video.reader import (
    READERS,
    DecodedFrame,
    ReadLimits,
    Timeline,
    VideoReader,
    open_video,
)

__all__ = ["READERS", "DecodedFrame", "ReadLimits", "Timeline", "VideoReader", "open_video"]
