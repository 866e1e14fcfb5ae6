"""What a preset of `surveillance` may say."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tam_video.long.gate import GateOptions
from tam_video.pipelines.base import PipelineOptions
from tam_video.video.live import FollowOptions

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

_REDACTING_LOOKS = 8.0  # a second: a mover must not leave its box between two looks
_GIB, _MIB = 1 << 30, 1 << 20


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QuestionOptions(_Table):
    """A question, and which answers to it are an alert.

    Attributes:
        name: short name, for folders and lists.
        ask: the question.
        pattern: alert where this regular expression is found in the answer, in any case.
        yes_probability: alert where the first token of the answer says yes with this probability.
        yes_words: what counts as yes, in any case; each is one token of the model.
        match: whether "all" of the given conditions must hold, or "any".
        always: alert whatever the answer is.
    """

    name: Name
    ask: Text
    pattern: str | None = None
    yes_probability: Share | None = None
    yes_words: tuple[Text, ...] = ("yes",)
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
                raise ValueError(f"the pattern is no regular expression: {exc}") from exc
        return self


class MotionOptions(_Table):
    """The motion gate: where nothing moves, nothing is asked; see `tam_video.long.gate`.

    Attributes:
        enabled: without, every window of every clip is asked about.
        looks_per_second: pictures that are looked at, a second.
        side: pixels of the longer side they are looked at in.
        deviations: standard deviations of a pixel's own noise that count as another thing.
        min_levels: grey levels (of 255) that never count.
        min_area: share of the picture that a moved thing covers at least.
        on_share: moved share of the picture that begins a span.
        off_share: moved share that goes on with one.
        global_share: from this share on the whole picture has changed: light, or a cut.
        relearn_seconds: the background is learned anew after so much of a changed picture.
        absorb_seconds: how long a thing must stand still to become background.
        hold_before_seconds: what is kept before a span.
        hold_after_seconds: what is kept after it.
        merge_seconds: spans closer than this are one.
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
        """The options of the gate; more looks where what moves is redacted.

        Raises:
            ConfigError: options that make no sense together.
        """
        given = self.model_dump(exclude={"enabled"})
        if redacts:
            given["looks_per_second"] = max(self.looks_per_second, _REDACTING_LOOKS)
        return GateOptions(**given)


class AlertOptions(_Table):
    """What an alert brings.

    Attributes:
        before_seconds: of the clip before what moved.
        after_seconds: of the clip after it.
        cooldown_seconds: no second alert of a camera and a question within this.
        show_motion: draw a box around what moves in the annotated clip.
        report: write `report.html` into the folder of an alert.
    """

    before_seconds: Seconds = 3.0
    after_seconds: Seconds = 3.0
    cooldown_seconds: Seconds = 30.0
    show_motion: bool = True
    report: bool = True


class RedactOptions(_Table):
    """What is made unrecognisable in every picture that is written.

    Attributes:
        boxes: (left, top, right, bottom) in shares of the picture, 0 to 1.
        motion: what moves, as the gate sees it.
        style: "pixelate", "blur" or "black".
        margin: added on each side of a moving thing, as a share of its size.
        hold_seconds: a place stays hidden for so long before and after something moved there.
        before_model: the model sees the redacted pictures too.
    """

    boxes: tuple[tuple[Share, Share, Share, Share], ...] = ()
    motion: bool = False
    style: Literal["pixelate", "blur", "black"] = "pixelate"
    margin: float = Field(default=0.25, ge=0, le=4)
    hold_seconds: float = Field(default=1.0, ge=0, le=60)
    before_model: bool = False

    @model_validator(mode="after")
    def _boxes_have_a_size(self) -> Self:
        if any(left >= right or top >= bottom for left, top, right, bottom in self.boxes):
            raise ValueError("a box is (left, top, right, bottom), with left < right, top < bottom")
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is redacted."""
        return self.motion or bool(self.boxes)


class RecordOptions(_Table):
    """How cameras that are addresses are followed; files need none of this.

    Attributes:
        segment_seconds: a recorded file ends at the first keyframe after this.
        duration_seconds: stop after this; unset for never.
        rtsp_transport: "tcp" or "udp".
        open_seconds: longest time for a connection.
        read_seconds: longest silence before the connection is given up.
        longest_wait_seconds: longest wait between two tries.
        give_up_seconds: a camera has failed when nothing has come for so long; unset for never.
        buffer_mebibytes: packets that may wait for the disk; more are dropped and counted.
        max_gibibytes: of a camera's recorded files, the oldest go first; unset for any number.
        min_free_gibibytes: that stay free on the disk, in the same way.
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
        """The options of a follower."""
        return FollowOptions(
            segment_seconds=self.segment_seconds,
            duration_seconds=self.duration_seconds,
            open_seconds=self.open_seconds,
            read_seconds=self.read_seconds,
            longest_wait_seconds=self.longest_wait_seconds,
            give_up_seconds=self.give_up_seconds,
            buffer_bytes=self.buffer_mebibytes * _MIB,
            max_bytes=None if self.max_gibibytes is None else round(self.max_gibibytes * _GIB),
            min_free_bytes=round(self.min_free_gibibytes * _GIB),
        )


class SurveillanceOptions(PipelineOptions):
    """What a preset of `surveillance` may say.

    Attributes:
        questions: each is asked of each window where something moves.
        window_seconds: longest stretch that is asked about at once.
        motion: the motion gate.
        alerts: what an alert brings.
        redact: what is made unrecognisable.
        record: how cameras that are addresses are followed.
        keep: recorded files that stay: "alerts" those with an alert, "all". Files that were given
            as inputs are never removed.
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
            raise ValueError('keep = "all" would keep the pictures that redact is to hide')
        return self
