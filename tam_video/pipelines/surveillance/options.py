"""Preset options of the surveillance pipeline."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from tam_video.long.gate import GateOptions
from tam_video.pipelines.base import PipelineOptions, QuestionText, Table
from tam_video.video.live import FollowOptions

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]

_REDACTION_LOOKS_PER_SECOND = 8.0  # a moving object must not leave its box between two looks
_GIB, _MIB = 1 << 30, 1 << 20


class QuestionOptions(Table):
    """A question and its alert rule.

    Attributes:
        name: short name for folders and lists.
        ask: the question.
        pattern: alert if this regular expression matches in the answer, ignoring case.
        yes_probability: alert if the first token of the answer is a yes with this probability.
        yes_words: words that count as yes, ignoring case; each is one token of the model.
        match: whether "all" or "any" of the given conditions must hold.
        always: alert for every answer.
    """

    name: Name
    ask: QuestionText
    pattern: str | None = None
    yes_probability: Share | None = None
    yes_words: tuple[QuestionText, ...] = ("yes",)
    match: Literal["all", "any"] = "all"
    always: bool = False

    @model_validator(mode="after")
    def _has_a_rule(self) -> Self:
        if not self.always and self.pattern is None and self.yes_probability is None:
            raise ValueError("no alert rule: give pattern, yes_probability or always = true")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as exc:
                raise ValueError(f"pattern is not a valid regular expression: {exc}") from exc
        return self


class MotionOptions(Table):
    """The motion gate: no question is asked where nothing moves.

    All fields but `enabled` are those of `tam_video.long.gate.GateOptions`.

    Attributes:
        enabled: False to ask about every window of every file.
    """

    enabled: bool = True
    looks_per_second: float = Field(default=2.0, gt=0, le=60)
    side: int = Field(default=160, ge=16, le=4096)
    deviations: float = Field(default=4.0, gt=0)
    min_levels: float = Field(default=10.0, ge=0, le=255)
    min_area: Share = 0.001
    on_share: Share = 0.001
    off_share: Share = 0.0005
    global_share: Share = 0.5
    relearn_seconds: Seconds = 3.0
    absorb_seconds: float = Field(default=30.0, gt=0)
    hold_before_seconds: Seconds = 1.0
    hold_after_seconds: Seconds = 1.0
    merge_seconds: Seconds = 2.0

    def gate(self, *, redacts: bool) -> GateOptions:
        """Return the options of the gate, with more looks per second for redaction.

        Raises:
            ConfigError: the options contradict each other.
        """
        values = self.model_dump(exclude={"enabled"})
        if redacts:
            values["looks_per_second"] = max(self.looks_per_second, _REDACTION_LOOKS_PER_SECOND)
        return GateOptions(**values)


class AlertOptions(Table):
    """Clip and files of an alert.

    Attributes:
        before_seconds: length of the clip before the window.
        after_seconds: length of the clip after the window.
        cooldown_seconds: minimum time between two alerts of a camera and a question.
        show_motion: draw boxes around moving objects in the annotated clip.
        report: write `report.html` into the folder of an alert.
    """

    before_seconds: Seconds = 3.0
    after_seconds: Seconds = 3.0
    cooldown_seconds: Seconds = 30.0
    show_motion: bool = True
    report: bool = True


class RedactOptions(Table):
    """Redaction of every frame that is written.

    Attributes:
        boxes: (left, top, right, bottom) in fractions of the frame, 0 to 1.
        motion: redact moving objects, as the gate detects them.
        style: "pixelate", "blur" or "black".
        margin: margin on each side of a moving object, as a fraction of its size.
        hold_seconds: how long before and after motion its box is redacted.
        before_model: redact the frames of the model too.
    """

    boxes: tuple[tuple[Share, Share, Share, Share], ...] = ()
    motion: bool = False
    style: Literal["pixelate", "blur", "black"] = "pixelate"
    margin: float = Field(default=0.25, ge=0, le=4)
    hold_seconds: float = Field(default=1.0, ge=0, le=60)
    before_model: bool = False

    @model_validator(mode="after")
    def _boxes_are_not_empty(self) -> Self:
        if any(left >= right or top >= bottom for left, top, right, bottom in self.boxes):
            raise ValueError("a box is (left, top, right, bottom), with left < right, top < bottom")
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is redacted."""
        return self.motion or bool(self.boxes)


class RecordOptions(Table):
    """Recording of cameras that are addresses; not used for files.

    The fields that are not listed are those of `tam_video.video.live.FollowOptions`.

    Attributes:
        rtsp_transport: "tcp" or "udp".
        buffer_mebibytes: packets that may wait for the disk; others are dropped and counted.
        max_gibibytes: size of a camera's recorded files; the oldest are removed. None for no limit.
        min_free_gibibytes: free disk space to keep, in the same way.
    """

    segment_seconds: float = Field(default=60.0, ge=1, le=3600)
    duration_seconds: float | None = Field(default=None, gt=0)
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    open_seconds: float = Field(default=10.0, gt=0)
    read_seconds: float = Field(default=5.0, gt=0)
    longest_wait_seconds: float = Field(default=30.0, gt=0)
    give_up_seconds: float | None = Field(default=None, gt=0)
    buffer_mebibytes: int = Field(default=64, ge=1)
    max_gibibytes: float | None = Field(default=50.0, gt=0)
    min_free_gibibytes: float = Field(default=1.0, ge=0)

    def follow(self) -> FollowOptions:
        """Return the options of a stream follower."""
        own = {"rtsp_transport", "buffer_mebibytes", "max_gibibytes", "min_free_gibibytes"}
        return FollowOptions(
            **self.model_dump(exclude=own),
            buffer_bytes=self.buffer_mebibytes * _MIB,
            max_bytes=None if self.max_gibibytes is None else round(self.max_gibibytes * _GIB),
            min_free_bytes=round(self.min_free_gibibytes * _GIB),
        )


class SurveillanceOptions(PipelineOptions):
    """Preset options of the surveillance pipeline.

    Attributes:
        questions: questions about each window where something moves.
        window_seconds: maximum length of a window.
        motion: the motion gate.
        alerts: clip and files of an alert.
        redact: redaction.
        record: recording of cameras that are addresses.
        keep: recorded files to keep: "alerts" for those with an alert, or "all". Input files are
            never removed.
    """

    questions: tuple[QuestionOptions, ...] = Field(min_length=1)
    window_seconds: float = Field(default=10.0, gt=0, le=3600)
    motion: MotionOptions = MotionOptions()
    alerts: AlertOptions = AlertOptions()
    redact: RedactOptions = RedactOptions()
    record: RecordOptions = RecordOptions()
    keep: Literal["alerts", "all"] = "alerts"

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        names = [question.name for question in self.questions]
        if len(set(names)) < len(names):
            raise ValueError("two questions have the same name")
        if self.redact.is_on and self.keep == "all":
            raise ValueError('keep = "all" would keep the frames that redact is meant to hide')
        return self
