"""Settings of the evaluations, and a hash of everything that a measured value depends on.

Each experiment has settings of its own, which inherit only what it uses. The options of the command
line are generated from the fields. The number of workers is not a setting, and the number of clips
is not part of the hash: the clips of a shorter run are the first ones of a longer run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from tam_video.config import first_problem
from tam_video.errors import ModelLoadError, UnknownNameError
from tam_video.evaluation.score import ANSWER_METRICS, DEFAULT_METRICS
from tam_video.models import GenerationOptions, read_layers
from tam_video.settings.declare import Declared, setting
from tam_video.settings.parse import names

CLIPS_PER_SEED = 1_000_000
Identity: TypeAlias = dict[str, Any]
"""What a clip's values depend on, as JSON values."""
_NUMBER: Final[dict[str, Any]] = {"metavar": "N", "ge": 1}
CLIPS: Final = {"help": "Clips of each world.", "short": "-n", "le": CLIPS_PER_SEED, **_NUMBER}
NAMES: Final[dict[str, Any]] = {"metavar": "A,B,...", "parse": names}
Split: TypeAlias = Literal["train", "dev", "test"]
SPLIT = setting("test", "Split from which the clips are sampled.")


class ExperimentSettings(Declared, BaseModel):
    """Settings that every experiment has.

    Attributes:
        experiment: where the experiment is, as "module:NAME".
        command: its command.
        kind: name of the experiment in the identity; empty to leave it out.
        identity_excludes: fields that no measured value depends on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    experiment: ClassVar[str]
    command: ClassVar[str]
    kind: ClassVar[str] = ""
    identity_excludes: ClassVar[frozenset[str]] = frozenset({"clips"})

    model: str = "tiny"
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    layer: int | float | Literal["auto", "input"] = "auto"
    worlds: tuple[str, ...] = setting(("base",), "Shape worlds to sample clips from.", **NAMES)
    clips: int = setting(100, **CLIPS)
    seed: int = setting(0, "Seed that selects the clips.", metavar="S", ge=0)
    max_new_tokens: int = setting(64, "Maximum length of an answer, in tokens.", **_NUMBER)

    @field_validator("worlds", "methods", "metrics", "parts", check_fields=False)
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) < len(names):
            raise ValueError("a name is given twice" if names else "no name is given")
        return names

    @model_validator(mode="after")
    def _layer_is_a_share(self) -> ExperimentSettings:
        if isinstance(self.layer, float) and not 0 < self.layer < 1:
            raise ValueError(
                "'layer' must be a whole number, or a share of the depth between 0 and 1"
            )
        return self

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Self:
        """Check option values and convert the values to settings.

        Raises:
            UnknownNameError: a method, metric or world that is not known.
            ConfigError: a value is of the wrong kind, out of range, or given twice.
        """
        try:
            settings = cls(**values)
        except ValidationError as exc:
            raise first_problem(exc, hint=f"see `{cls.command} --help`") from exc
        settings.check()
        return settings

    def check(self) -> None:
        """Raise `UnknownNameError` if a name in the settings is unknown."""
        check_names("world", self.worlds, self.known_worlds())

    def clip_seed(self, number: int) -> int:
        """Return the seed for clip `number`. It does not depend on the shape world."""
        return self.seed * CLIPS_PER_SEED + number

    def generation_options(self) -> GenerationOptions:
        """Return the options with which answers are generated."""
        layer, mixed = read_layers(self.layer)
        return GenerationOptions(
            max_new_tokens=self.max_new_tokens, layer=layer, mixed_layers=mixed
        )

    def known_worlds(self) -> Collection[str]:
        """Return the names that `worlds` may contain."""
        from tam_video.datasets.worlds import WORLDS

        return list(WORLDS)

    def num_clips(self, world: str) -> int:  # noqa: ARG002 - subsets of a set end
        """Return the number of clips to measure in a shape world."""
        return self.clips

    def title(self, world: str | None) -> str:
        """Return the table title for a shape world, or for all worlds if `world` is None."""
        return world or "all worlds"

    def identity(self) -> Identity:
        """Return what a clip's values depend on: settings, version and the model's weights."""
        values = self.model_dump(mode="json", exclude=set(self.identity_excludes))
        for name in {"methods", "metrics", "worlds"} & values.keys():
            values[name] = sorted(values[name])
        kind = {"evaluation": self.kind} if self.kind else {}
        return {**values, **kind, "version": version("tam-video"), "weights": _weights(self.model)}


class MethodSettings(ExperimentSettings):
    """Settings of the experiments that compare methods.

    Attributes:
        known_metrics: names that `metrics` may hold.
    """

    known_metrics: ClassVar[tuple[str, ...]] = ANSWER_METRICS

    methods: tuple[str, ...] = setting(
        ("tam", "tam-reference", "logit"), "Methods to compare.", **NAMES
    )
    metrics: tuple[str, ...] = setting(DEFAULT_METRICS, "Metrics.", **NAMES)
    steps: int = setting(20, "Number of steps in insertion, deletion and flip curves.", **_NUMBER)

    def check(self) -> None:
        """Raise `UnknownNameError` if a name in the settings is unknown."""
        from tam_video.methods import METHODS

        check_names("method", self.methods, METHODS.names())
        check_names("metric", self.metrics, self.known_metrics)
        super().check()


class ShapesSettings(MethodSettings):
    """Settings for comparing methods on clips from shape worlds."""

    experiment: ClassVar[str] = "tam_video.evaluation.comparison:SHAPES"
    command: ClassVar[str] = "tam-video evaluate shapes"

    split: Split = SPLIT


Settings = TypeVar("Settings", bound=ExperimentSettings)


def identity_hash(identity: Identity) -> str:
    """Hash an identity with SHA-256, and return the first 16 hex digits."""
    text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_names(kind: str, names: Collection[str], known: Collection[str]) -> None:
    """Raise `UnknownNameError` for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _weights(model: str) -> str | None:
    """Return a hash of the checkpoint folder's files, or None if the model is a hub id."""
    from tam_video.models.loading import locate
    from tam_video.video.source import file_fingerprint

    location = locate(model)
    if not isinstance(location, Path):
        return None
    files = sorted(path for path in location.iterdir() if path.suffix in (".json", ".safetensors"))
    try:
        lines = [f"{path.name} {file_fingerprint(path)}" for path in files]
    except OSError as exc:
        raise ModelLoadError(f"can't read {location}: {exc.strerror or exc}") from exc
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
