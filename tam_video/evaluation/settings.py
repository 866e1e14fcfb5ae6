"""`EvaluationSettings`: everything that a measured value depends on, and its hash.

How many workers measure is no part of it, and neither is the number of clips in the hash: the clips
of a shorter run are the first ones of a longer run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tam_video.errors import ConfigError, ModelLoadError, UnknownNameError
from tam_video.evaluation.score import ANSWER_METRICS, DEFAULT_METRICS
from tam_video.models import GenerationOptions, read_layers

CLIPS_PER_SEED = 1_000_000
Identity: TypeAlias = dict[str, Any]
"""What a clip's values depend on, as JSON values."""


class EvaluationSettings(BaseModel):
    """Settings of one evaluation.

    Attributes:
        model: `tiny`, a hub id, or a folder with a checkpoint.
        revision: hub revision; None for the default branch.
        dtype: "auto", "float32", "bfloat16" or "float16".
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        layer: where the scores are read, as in `RunConfig.layer`; "auto" is the last layer, beside
            which `tam` has its own.
        methods: names of `METHODS`, in the order of the tables.
        metrics: names of `METRICS`.
        worlds: names of `WORLDS`.
        split: which clips of a world.
        clips: number of clips of each world.
        seed: clip k of a world has the seed `seed * 1,000,000 + k`.
        steps: steps of an insertion or deletion curve.
        max_new_tokens: longest answer, in tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    known_metrics: ClassVar[tuple[str, ...]] = ANSWER_METRICS
    command: ClassVar[str] = "tam-video evaluate shapes"

    model: str = "tiny"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    layer: int | float | Literal["auto", "input"] = "auto"
    methods: tuple[str, ...] = Field(default=("tam", "tam-reference", "logit"), min_length=1)
    metrics: tuple[str, ...] = Field(default=DEFAULT_METRICS, min_length=1)
    worlds: tuple[str, ...] = Field(default=("base",), min_length=1)
    split: Literal["train", "dev", "test"] = "test"
    clips: int = Field(default=100, ge=1, le=CLIPS_PER_SEED)
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=20, ge=1)
    max_new_tokens: int = Field(default=64, ge=1)

    @field_validator("methods", "metrics", "worlds")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a name is given twice")
        return names

    @model_validator(mode="after")
    def _layer_is_a_share(self) -> EvaluationSettings:
        if isinstance(self.layer, float) and not 0 < self.layer < 1:
            raise ValueError("a layer is a whole number, or a share of the depth between 0 and 1")
        return self

    def clip_seed(self, number: int) -> int:
        """Seed of clip `number` of every world."""
        return self.seed * CLIPS_PER_SEED + number

    def generation_options(self) -> GenerationOptions:
        """How the answers are made that are explained."""
        layer, mixed = read_layers(self.layer)
        return GenerationOptions(
            max_new_tokens=self.max_new_tokens, layer=layer, mixed_layers=mixed
        )

    def known_worlds(self) -> Collection[str]:
        """The names that `worlds` may hold."""
        from tam_video.datasets.worlds import WORLDS

        return list(WORLDS)

    def num_clips(self, world: str) -> int:  # noqa: ARG002 - subsets of a set end
        """Clips of a world that are measured."""
        return self.clips

    def title(self, world: str | None) -> str:
        """What a table of a world is called, or of all."""
        return world or "all worlds"

    def identity(self) -> Identity:
        """What a clip's values depend on: these settings, this version and the model's weights.

        Raises:
            ModelLoadError: there is no such model.
        """
        told = self.model_dump(mode="json")
        del told["clips"]
        for name in ("methods", "metrics", "worlds"):
            told[name] = sorted(told[name])
        return {**told, "version": version("tam-video"), "weights": _weights(self.model)}


Settings = TypeVar("Settings", bound=EvaluationSettings)


def make_settings(values: Mapping[str, Any]) -> EvaluationSettings:
    """Check plain values and make the settings; see `checked_settings`."""
    return checked_settings(values, EvaluationSettings)


def checked_settings(values: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Check plain values and make the settings of an evaluation.

    Args:
        values: what was asked.
        kind: of which evaluation; it says which metrics there are.

    Raises:
        UnknownNameError: a method, metric or world that is not known.
        ConfigError: a value is of the wrong kind, out of range, or given twice.
    """
    from tam_video.methods import METHODS

    try:
        settings = kind(**values)
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{where}: {what}" if where else what, hint=f"see `{kind.command} --help`"
        ) from exc
    check_names("method", settings.methods, METHODS.names())
    check_names("metric", settings.metrics, kind.known_metrics)
    check_names("world", settings.worlds, settings.known_worlds())
    return settings


def identity_hash(identity: Identity) -> str:
    """First 16 hex digits of the SHA-256 of an identity."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_names(kind: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse names that are not known.

    Raises:
        UnknownNameError: one is not.
    """
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _weights(model: str) -> str | None:
    """Digest of the files of a checkpoint's folder by name, size and ends; None for a hub id."""
    from tam_video.models.loading import locate
    from tam_video.video.source import file_fingerprint

    place = locate(model)
    if not isinstance(place, Path):
        return None
    files = sorted(path for path in place.iterdir() if path.suffix in (".json", ".safetensors"))
    try:
        told = [f"{path.name} {file_fingerprint(path)}" for path in files]
    except OSError as exc:
        raise ModelLoadError(f"can't read {place}: {exc.strerror or exc}") from exc
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
