"""`RunConfig`: every setting of a run in one checked, frozen value.

It goes into `explanation.json` as it is, so a run can be repeated from its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tam_video.errors import ConfigError
from tam_video.types import Profile


class RunConfig(BaseModel):
    """Settings of one explanation.

    Attributes:
        model: `tiny`, a hub id, or a folder with a checkpoint.
        revision: hub revision; None for the default branch.
        dtype: "auto", "float32", "bfloat16" or "float16".
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        device_map: passed to transformers for models spread over devices.
        attn_implementation: attention kernel of transformers; None for its own choice.
        allow_pickle: load weights that are stored as pickles, where there are no others.
        layer: decoder layer whose hidden states are read: a number, negative from the end (-1 is
            the last, after the final norm), a share of the depth such as 0.75, or "input" for what
            enters the decoder. "auto": the profile's own, which are four layers mixed, a quarter of
            the depth apart, for "default", and the last one for the others.
        logits: "model": scores are the model's own logits; "head": before its softcap and scale.
        reader: name of the video reader.
        frame_size: "source": frames are read as they are, and the processor resizes them;
            "processor": they are read in the size that it would make of them, which takes far less
            memory and changes pixel values a little.
        sampler: name of the frame sampler; "auto" follows the other options (`native` without any).
        num_frames: frames to sample, for samplers that take a number.
        fps: frames per second to sample.
        timestamps: seconds at which frames are taken, from the start of the clip.
        max_frames: refuse to sample more frames than this, over all inputs.
        start_seconds: explain from here, counted from the first frame.
        end_seconds: explain up to here.
        profile: "default", "published" (the paper's steps) or "reference" (the public code's
            numbers).
        method: name of the explanation method (`METHODS`); profiles are those of "tam".
        max_new_tokens: longest answer, in tokens.
        do_sample: draw tokens instead of taking the most probable.
        temperature: of the draw.
        top_p: of the draw.
        top_k: of the draw; 0 for no limit.
        seed: of the draw.
        num_candidates: candidates kept per answer token.
        render: whether to write the annotated video.
        show_token: index of the answer token to show; None for the words in turn.
        show_word: index or text of the word to show; None for the words in turn.
        layout: "overlay" (words share one pass of the clip), "side" (picture beside heat), "grid"
            (a tile for each word), "words" (one pass and chapter for each word).
        tiles: what a grid has tiles of: "words" or "tokens".
        colormap: name of the colour map.
        opacity: opacity of the hottest cell, 0 to 1.
        threshold: heat below this is not drawn, 0 to 1.
        contours: draw a line around the heat.
        boxes: draw the box of the word's track.
        previews: short animations to write: "gif", "webp".
        stills: contact sheets to write: "png", "pdf", "svg".
        font: path or name of a font for the caption; None for the packaged one.
        crf: quality of the H.264 encoder, 0 (best) to 51.
        speed_preset: x264 speed preset, "ultrafast" to "slower"; recorded as `preset`.
        encoder: "x264", "auto" for a graphics card's where one works, "nvenc", "qsv" or "amf".
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True
    )

    model: str = "tiny"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    device_map: str | None = None
    attn_implementation: str | None = None
    allow_pickle: bool = False
    layer: int | float | Literal["auto", "input"] = "auto"
    logits: Literal["model", "head"] = "model"
    reader: str = "pyav"
    frame_size: Literal["source", "processor"] = "source"
    sampler: str = "auto"
    num_frames: int | None = Field(default=None, ge=1)
    fps: float | None = Field(default=None, gt=0)
    timestamps: tuple[float, ...] = ()
    max_frames: int = Field(default=768, ge=1)
    start_seconds: float | None = Field(default=None, ge=0)
    end_seconds: float | None = Field(default=None, gt=0)
    profile: Profile = "default"
    method: str = "tam"
    max_new_tokens: int = Field(default=128, ge=1)
    do_sample: bool = False
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    num_candidates: int = Field(default=3, ge=1, le=100)
    render: bool = True
    show_token: int | None = Field(default=None, ge=0)
    show_word: int | str | None = None
    layout: Literal["overlay", "side", "grid", "words"] = "overlay"
    tiles: Literal["words", "tokens"] = "words"
    colormap: str = "turbo"
    opacity: float = Field(default=0.6, ge=0, le=1)
    threshold: float = Field(default=0.0, ge=0, lt=1)
    contours: bool = False
    boxes: bool = False
    previews: tuple[Literal["gif", "webp"], ...] = ()
    stills: tuple[Literal["png", "pdf", "svg"], ...] = ()
    font: str | None = None
    crf: int = Field(default=18, ge=0, le=51)
    speed_preset: str = Field(
        default="veryfast",
        validation_alias=AliasChoices("speed_preset", "preset"),
        serialization_alias="preset",
    )
    encoder: Literal["auto", "x264", "nvenc", "qsv", "amf"] = "x264"

    @model_validator(mode="after")
    def _options_agree(self) -> RunConfig:
        if self.show_token is not None and self.show_word is not None:
            raise ValueError("choose a token or a word to show, not both")
        if self.method != "tam" and self.profile != "default":
            raise ValueError(f"profiles are of the method tam, and {self.method} is asked for")
        if isinstance(self.layer, float) and not 0 < self.layer < 1:
            raise ValueError("a layer is a whole number, or a share of the depth between 0 and 1")
        if (self.end_seconds or float("inf")) <= (self.start_seconds or 0):
            raise ValueError("the end must lie after the start")
        asked = [
            name
            for name, given in (
                ("num_frames", self.num_frames is not None),
                ("fps", self.fps is not None),
                ("timestamps", bool(self.timestamps)),
            )
            if given
        ]
        if len(asked) > 1:
            raise ValueError(f"{' and '.join(asked)} exclude each other")
        return self

    def resolved_sampler(self) -> str:
        """The sampler's name, with "auto" settled by the other options."""
        if self.sampler != "auto":
            return self.sampler
        if self.timestamps:
            return "timestamps"
        if self.fps is not None:
            return "fps"
        return "uniform" if self.num_frames is not None else "native"


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """Check plain values and make a `RunConfig`.

    Raises:
        ConfigError: a value is of the wrong kind, out of range, unknown, or contradicts another.
    """
    try:
        return RunConfig(**values)
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{where}: {what}" if where else what, hint="see `tam-video explain --help`"
        ) from exc


def seconds(text: str) -> float:
    """Read "12.5", "1:02" or "1:00:02.5" as seconds.

    Raises:
        ConfigError: not a time.
    """
    total = 0.0
    try:
        for part in text.strip().split(":"):
            total = total * 60 + float(part)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time", hint="seconds, MM:SS or HH:MM:SS") from None
    return total
