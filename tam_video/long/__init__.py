"""Explain long videos: detect motion, explain windows with motion, and write a timeline."""

from tam_video.long.document import LongResult as LongResult
from tam_video.long.run import default_long_dir as default_long_dir
from tam_video.long.run import explain_long as explain_long
from tam_video.long.windows import LongOptions as LongOptions
