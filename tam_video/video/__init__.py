"""Read and write videos. No other package imports PyAV or decord."""

from tam_video.video.reader import (
    READERS,
    DecodedFrame,
    ReadLimits,
    Timeline,
    VideoReader,
    open_video,
)

__all__ = ["READERS", "DecodedFrame", "ReadLimits", "Timeline", "VideoReader", "open_video"]
