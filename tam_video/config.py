"""`RunConfig`: all settings of a run in one validated, immutable object.

It is recorded in `explanation.json`, so a run can be repeated from its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    ValidationError,
    model_validator,
)

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.settings import groups
from tam_video.settings.groups import run_fields

AUTO = "auto"
"""The profile that was calibrated for the checkpoint, or "default" without one."""
_FIELDS = {field.name: field for field in run_fields()}


def _accepted_names(name: str) -> AliasChoices:
    former = _FIELDS[name].setting.former
    return AliasChoices(name, *[former] if former else [])


def _recorded_name(name: str) -> str:
    """Return the name under which runs record a setting: its former name, if it has one."""
    return _FIELDS[name].setting.former or name


class RunConfig(
    BaseModel,
    groups.LookSettings,
    groups.OutputSettings,
    groups.MethodSettings,
    groups.GenerationSettings,
    groups.SamplingSettings,
    groups.ModelSettings,
    frozen=True,
):
    """Settings of one explanation. `tam_video.settings.groups` declares and documents them."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        alias_generator=AliasGenerator(
            validation_alias=_accepted_names, serialization_alias=_recorded_name
        ),
        serialize_by_alias=True,
    )

    @model_validator(mode="after")
    def _options_agree(self) -> RunConfig:
        if self.show_token is not None and self.show_word is not None:
            raise ValueError("'show_token' and 'show_word' can't be combined")
        if self.method != "tam" and self.profile not in (AUTO, "default"):
            raise ValueError(f"'profile' needs the method tam, but the method is {self.method}")
        if isinstance(self.layer, float) and not 0 < self.layer < 1:
            raise ValueError(
                "'layer' must be an integer, or a fraction of the depth (between 0 and 1)"
            )
        if (self.end_seconds or float("inf")) <= (self.start_seconds or 0):
            raise ValueError("the end time must be after the start time")
        exclusive = ("num_frames", "fps", "timestamps")
        chosen = [name for name in exclusive if getattr(self, name) not in (None, ())]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} can't be combined")
        return self

    def resolved_sampler(self) -> str:
        """Return the sampler name. "auto" is resolved from the other options."""
        if self.sampler != "auto":
            return self.sampler
        if self.timestamps:
            return "timestamps"
        if self.fps is not None:
            return "fps"
        return "uniform" if self.num_frames is not None else "native"


def make_config(values: Mapping[str, Any], *, base: RunConfig | None = None) -> RunConfig:
    """Validate plain values and return a `RunConfig`.

    Args:
        values: settings by name; the others keep the values of `base`.
        base: settings to start from; the defaults without.

    Raises:
        ConfigError: a value has the wrong type, is out of range, unknown, or contradicts another.
    """
    if base is not None and not values:
        return base
    try:
        return RunConfig(**{**dict(base or ()), **values})
    except ValidationError as exc:
        problem = exc.errors()[0]
        field = _FIELDS.get(str(problem["loc"][0])) if problem["loc"] else None
        if problem["type"] == "extra_forbidden":
            raise UnknownNameError("setting", str(problem["loc"][0]), _FIELDS) from exc
        if problem["type"] == "literal_error" and field is not None and field.choices:
            raise UnknownNameError(field.name, str(problem["input"]), field.choices) from exc
        raise first_problem(
            exc, hint="run `tam-video explain --help` for a list of options"
        ) from exc


def recorded_config(recorded: Mapping[str, Any], **changed: Any) -> RunConfig:
    """Convert the settings recorded in an `explanation.json` to a `RunConfig`.

    Args:
        recorded: the recorded settings; what is no setting, such as the family, is left out.
        changed: settings by name that replace recorded ones.

    Raises:
        ConfigError: a value is invalid.
    """
    names = {_recorded_name(name): name for name in _FIELDS} | {name: name for name in _FIELDS}
    values = {names[key]: value for key, value in recorded.items() if key in names}
    return make_config({**values, **changed})


def first_problem(error: ValidationError, *, hint: str) -> ConfigError:
    """Convert the first error of a failed validation to a `ConfigError`."""
    problem = error.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    reason = problem["msg"].removeprefix("Value error, ")
    return ConfigError(f"{name}: {reason}" if name else reason, hint=hint)
