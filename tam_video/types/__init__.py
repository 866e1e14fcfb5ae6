"""Immutable value classes that the stages of an explanation exchange.

numpy and the standard library only. Shapes are checked where a value is made, so that a stage may
trust its arguments. Axes: T frames, t temporal slots, (h, w) token grid, (H, W) pixels, M text
tokens (prompt text first, then the answer), S sequence positions, V visual cells (t*h*w of each
input), N words.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from tam_video.types.arrays import BoolArray, ByteArray, Float64Array, FloatArray, IntArray
from tam_video.types.explanation import (
    ActivationMaps,
    Calibration,
    ExplainedInput,
    Explanation,
    verdict_title,
)
from tam_video.types.layout import View, VisualLayout
from tam_video.types.text import Candidate, Generation, Message, Role, Token, Word
from tam_video.types.verification import Verification, WordVerification
from tam_video.types.video import FrameBatch, VideoInfo

Profile: TypeAlias = Literal["default", "published", "reference"]
PublishedProfile: TypeAlias = Literal["published", "reference"]

__all__ = [
    "ActivationMaps",
    "BoolArray",
    "ByteArray",
    "Calibration",
    "Candidate",
    "ExplainedInput",
    "Explanation",
    "Float64Array",
    "FloatArray",
    "FrameBatch",
    "Generation",
    "IntArray",
    "Message",
    "Profile",
    "PublishedProfile",
    "Role",
    "Token",
    "Verification",
    "VideoInfo",
    "View",
    "VisualLayout",
    "Word",
    "WordVerification",
    "verdict_title",
]
