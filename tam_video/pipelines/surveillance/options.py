"""Preset options of the surveillance pipeline."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from tam_video.long.gate import GateOptions
from tam_video.pipelines.base import PipelineOptions, QuestionText, Table
from tam_video.settings.declare import REQUIRED, setting
from tam_video.video.live import FollowOptions

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]

_REDACTION_LOOKS_PER_SECOND = 8.0  # a moving object must not leave its box between two looks


class QuestionOptions(Table):
    """A question and its alert rule."""

    name: Name = setting(REQUIRED, 'Short name for folders and lists: only A-Z a-z 0-9 "-" "_".')
    ask: QuestionText = setting(REQUIRED, "Question for the model.")
    pattern: str | None = setting(
        None,
        "Alert if this regular expression matches in the answer, ignoring case.",
        unset="no rule",
        example="\\bfire\\b",
    )
    yes_probability: float | None = setting(
        None,
        "Alert if the first token of the answer means yes with at least this probability. "
        "At least the 20 most probable tokens are considered.",
        unset="no rule",
        example=0.6,
        ge=0,
        le=1,
    )
    yes_words: tuple[QuestionText, ...] = setting(
        ("yes",), "Words that count as yes, ignoring case. Each word must be one model token."
    )
    match: Literal["all", "any"] = setting(
        "all", "Conditions that must hold for an alert: all of them, or any one of them."
    )
    always: bool = setting(False, "Alert for every answer.")

    @model_validator(mode="after")
    def _has_a_rule(self) -> Self:
        if not self.always and self.pattern is None and self.yes_probability is None:
            raise ValueError("no alert rule: set 'pattern', 'yes_probability' or 'always = true'")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as exc:
                raise ValueError(f"'pattern' is not a valid regular expression: {exc}") from exc
        return self


class MotionOptions(BaseModel, GateOptions, frozen=True, extra="forbid", allow_inf_nan=False):
    """Motion gate: questions are asked only about windows with motion."""

    enabled: bool = setting(True, "Use the gate. false: ask about every window of every file.")


class AlertOptions(Table):
    """Options for the clip and files of an alert."""

    before_seconds: Seconds = setting(
        3.0, "Time that the clip shows before the window. The clip may start in the previous file."
    )
    after_seconds: Seconds = setting(
        3.0, "Time that the clip shows after the window. The clip does not go on in the next file."
    )
    cooldown_seconds: Seconds = setting(
        30.0, "Minimum time between two alerts for the same camera and question."
    )
    show_motion: bool = setting(True, "Draw boxes around moving objects in the annotated clip.")
    report: bool = setting(True, "Write report.html.")


class RedactOptions(Table):
    """What is redacted in every frame that is written."""

    boxes: tuple[tuple[Share, Share, Share, Share], ...] = setting(
        (), "Boxes to redact: [[left, top, right, bottom], ...], as fractions of the frame."
    )
    motion: bool = setting(False, "Redact moving objects. Objects that stand still need boxes.")
    style: Literal["pixelate", "blur", "black"] = setting(
        "pixelate", "How areas are redacted: pixelate, blur, black."
    )
    margin: float = setting(
        0.25, "Margin on each side of a moving object, as a fraction of its size.", ge=0, le=4
    )
    hold_seconds: float = setting(
        1.0, "A moving object is redacted for this long before and after the motion.", ge=0, le=60
    )
    before_model: bool = setting(False, "Also redact the frames that the model receives.")

    @model_validator(mode="after")
    def _boxes_are_not_empty(self) -> Self:
        if any(left >= right or top >= bottom for left, top, right, bottom in self.boxes):
            raise ValueError(
                "a box must be (left, top, right, bottom) with left < right and top < bottom"
            )
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is redacted."""
        return self.motion or bool(self.boxes)


class RecordOptions(BaseModel, FollowOptions, frozen=True, extra="forbid", allow_inf_nan=False):
    """Options for recording camera URLs. Video files do not use these options."""

    rtsp_transport: Literal["tcp", "udp"] = setting("tcp", "Transport protocol of RTSP: tcp, udp.")


class SurveillanceOptions(PipelineOptions):
    """Preset options of the surveillance pipeline."""

    inputs: tuple[str, ...] = setting(
        REQUIRED,
        'Files, folders, globs ("yard/*.mp4"), or addresses of cameras (rtsp://, rtsps://, '
        "http://, https://, udp://). Paths in a preset are relative to the preset; "
        "paths on the command line (INPUT) are relative to the working directory. Redirects and "
        "playlists are not followed.",
        value=("../samples/*.mp4",),
        min_length=1,
    )
    questions: tuple[QuestionOptions, ...] = setting(
        REQUIRED,
        "Questions about each window with motion. Add a [[questions]] table for each question.",
        value=({"name": "triangle", "ask": "Is there a purple triangle?", "yes_probability": 0.6},),
        min_length=1,
    )
    window_seconds: float = setting(10.0, "Maximum length of a window.", gt=0, le=3600)
    motion: MotionOptions = setting(
        MotionOptions(), "Motion gate: questions are asked only about windows with motion."
    )
    alerts: AlertOptions = setting(AlertOptions(), "Options for the clip and files of an alert.")
    redact: RedactOptions = setting(
        RedactOptions(),
        "What is redacted in every frame that is written. With redaction, recorded files are "
        "removed once they are processed.",
    )
    record: RecordOptions = setting(
        RecordOptions(),
        "Recording of camera URLs. Ctrl-C or SIGTERM stops it cleanly; the next start resumes.",
    )
    keep: Literal["alerts", "all"] = setting(
        "alerts",
        'Recorded files to keep. "alerts": files with an alert; "all": every file. Input files '
        "are never removed.",
    )

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        names = [question.name for question in self.questions]
        if len(set(names)) < len(names):
            raise ValueError("two questions have the same name")
        if self.redact.is_on and self.keep == "all":
            raise ValueError('keep = "all" would keep unredacted files, but redact is set')
        return self

    def gate(self) -> GateOptions:
        """Return the options for the motion gate. Redaction of motion raises `looks_per_second`.

        Raises:
            ConfigError: the options contradict each other.
        """
        values = self.motion.model_dump(exclude={"enabled"})
        if self.redact.motion:
            looks = max(self.motion.looks_per_second, _REDACTION_LOOKS_PER_SECOND)
            values["looks_per_second"] = looks
        return GateOptions(**values)
