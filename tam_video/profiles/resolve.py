"""Resolve the setting `profile` to a built-in profile or a calibrated profile.

"auto" becomes the stored profile of exactly this checkpoint, or "default". The name of a stored
profile, or a JSON file, becomes its content, which is what settings then hold and folders record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard, get_args

from tam_video.config import AUTO, RunConfig
from tam_video.errors import ConfigError, RunFolderError, UnknownNameError
from tam_video.models.base import VideoModel
from tam_video.profiles.identity import (
    CheckpointIdentity,
    differences,
    identity_of_model,
    identity_of_settings,
)
from tam_video.profiles.profile import CalibratedProfile, parse_profile, read_profile
from tam_video.profiles.store import list_profiles, named_profile, profile_name
from tam_video.types import Calibration, Profile

_BUILT_IN = get_args(Profile)
_CALIBRATE = "tam-video calibrate -m"


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """Settings after `profile` was resolved, with notices about unused profiles.

    Attributes:
        config: the settings; `profile` is the name of a built-in profile, or the content of a
            calibrated one.
        notices: why stored profiles are not used, in words.
    """

    config: RunConfig
    notices: tuple[str, ...] = ()


def resolve_profile(config: RunConfig, model: VideoModel | None = None) -> ResolvedProfile:
    """Resolve `config.profile`. Settings with a resolved profile are returned unchanged.

    Args:
        config: the settings.
        model: the loaded model; None for the one that the settings name, which is not loaded.

    Raises:
        ConfigError: a profile that is named belongs to another checkpoint.
        UnknownNameError: no stored profile has the name.
        RunFolderError: a profile's file is damaged.
        ModelError: the files of the model can't be read.
    """
    chosen = config.profile
    if isinstance(chosen, dict) or is_built_in(chosen):
        return ResolvedProfile(config)
    if chosen == AUTO:
        return _automatic(config, model)
    profile = _named(chosen)
    identity = _identity(config, model)
    if identity is None:
        raise ConfigError(
            f"the files of {_name(config, model)} are not on this machine, so it is unknown "
            f"whether the profile {chosen} belongs to them",
            hint="download the model first, or pass --profile default",
        )
    if differing := differences(profile.identity, identity):
        raise ConfigError(
            f"the profile {chosen} belongs to another checkpoint: {', '.join(differing)}",
            hint=f"pass --profile auto, or calibrate: {_CALIBRATE} {_name(config, model)}",
        )
    return ResolvedProfile(_with(config, profile))


def is_built_in(profile: object) -> TypeGuard[Profile]:
    """Return whether a value of the setting `profile` is the name of a built-in profile."""
    return isinstance(profile, str) and profile in _BUILT_IN


def check_profile(config: RunConfig) -> None:
    """Raise an error if the settings name an unusable profile. The model need not be loaded.

    Raises:
        TamVideoError: as `resolve_profile`.
    """
    chosen = config.profile
    if isinstance(chosen, dict) or chosen == AUTO or is_built_in(chosen):
        return
    _named(chosen)
    if identity_of_settings(config) is not None:
        resolve_profile(config)


def planned_profile(
    config: RunConfig, recorded: bytes | None, model: VideoModel | None = None
) -> ResolvedProfile:
    """Resolve the profile of a new job, or read the profile that a started job has recorded.

    Args:
        config: settings of the job.
        recorded: the settings file of the folder if the job was begun earlier: "auto" is then what
            that has, whatever was calibrated since.
        model: the loaded model, as in `resolve_profile`.

    Raises:
        TamVideoError: as `resolve_profile`.
    """
    if config.profile == AUTO and recorded is not None:
        try:
            earlier = json.loads(recorded)["settings"].get("profile", "default")
            return ResolvedProfile(config.model_copy(update={"profile": earlier}))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # damaged: the folder is refused when it is opened
    return resolve_profile(config, model)


def calibrated_profile(config: RunConfig) -> CalibratedProfile | None:
    """Return the calibrated profile in resolved settings, or None if the profile is built in.

    Raises:
        RunFolderError: it is damaged.
    """
    if not isinstance(config.profile, dict):
        return None
    return parse_profile(config.profile, name="the profile in the settings")


def calibration_of(profile: CalibratedProfile | None) -> Calibration | None:
    """Convert a calibrated profile to the `Calibration` that an explanation records."""
    if profile is None:
        return None
    return Calibration(
        profile=profile_name(profile),
        verdict=profile.verdict,
        sentence=profile.sentence,
        layers=profile.layers,
        options=profile.as_document()["options"],
    )


def _automatic(config: RunConfig, model: VideoModel | None) -> ResolvedProfile:
    """Resolve "auto": use the stored profile of the checkpoint, or else the default profile."""
    default = config.model_copy(update={"profile": "default"})
    stored = list(list_profiles()) if config.method == "tam" else []
    identity = _identity(config, model) if stored else None
    if identity is None:
        return ResolvedProfile(default)
    name, notices, unused = _name(config, model), [], []
    for path, profile in stored:
        if isinstance(profile, RunFolderError):
            notices.append(f"a stored profile is ignored: {profile.message}")
            continue
        differing = differences(profile.identity, identity)
        if not differing:
            return ResolvedProfile(_with(config, profile), tuple(notices))
        if profile.model == name or profile.identity.weights == identity.weights:
            unused.append(f"the profile {path.stem} is not used: {', '.join(differing)}")
    return ResolvedProfile(default, (*notices, *unused))


def _named(name: str) -> CalibratedProfile:
    """Read a profile from a file, or from the stored profiles by name."""
    path = Path(name).expanduser()
    if path.is_file() or path.suffix == ".json":
        return read_profile(path)
    try:
        return named_profile(name)[1]
    except UnknownNameError as exc:
        known = (AUTO, *_BUILT_IN, *exc.known)
        raise UnknownNameError("profile", name, known) from exc


def _identity(config: RunConfig, model: VideoModel | None) -> CheckpointIdentity | None:
    return identity_of_settings(config) if model is None else identity_of_model(model)


def _name(config: RunConfig, model: VideoModel | None) -> str:
    return config.model if model is None else model.name


def _with(config: RunConfig, profile: CalibratedProfile) -> RunConfig:
    return config.model_copy(update={"profile": profile.as_document()})
