"""The profiles in the user's data folder: found by checkpoint, listed, and removed.

The folder is `profiles/` in the data folder of the platform, or in `$TAM_VIDEO_DATA` if set.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tam_video.errors import ConfigError, RunFolderError, UnknownNameError
from tam_video.profiles.identity import CheckpointIdentity
from tam_video.profiles.profile import CalibratedProfile, read_profile, write_profile
from tam_video.workspace.files import wrap_os_errors

DATA_VARIABLE = "TAM_VIDEO_DATA"


def data_folder() -> Path:
    """Return the user's data folder, which may not exist yet."""
    if chosen := os.environ.get(DATA_VARIABLE):
        return Path(chosen)
    from platformdirs import user_data_path

    return user_data_path("tam-video", appauthor=False)


def profile_folder() -> Path:
    """Return the folder of the stored profiles, which may not exist yet."""
    return data_folder() / "profiles"


def stored_path(profile: CalibratedProfile) -> Path:
    """Return the path where a profile is stored. Each checkpoint identity has one file."""
    return profile_folder() / f"{profile_name(profile)}.json"


def profile_name(profile: CalibratedProfile) -> str:
    """Make the name of a profile from the model's name and the checkpoint's identity."""
    return checkpoint_name(profile.model, profile.identity)


def checkpoint_name(model: str, identity: CheckpointIdentity) -> str:
    """Make a file name from a model's name and its checkpoint's identity."""
    return f"{_slug(model)}-{_key(identity)}"


def store_profile(profile: CalibratedProfile) -> Path:
    """Store a profile, and replace an earlier profile of the same checkpoint."""
    path = stored_path(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_profile(profile, path)


def list_profiles() -> Iterator[tuple[Path, CalibratedProfile | RunFolderError]]:
    """Yield the path of each stored profile, with the profile or the error of reading it."""
    for path in sorted(profile_folder().glob("*.json")):
        try:
            yield path, read_profile(path)
        except RunFolderError as exc:
            yield path, exc


def profile_path(name: str) -> Path:
    """Return the path of a stored profile.

    Args:
        name: the name of the profile, or the model that it was made for.

    Raises:
        UnknownNameError: no profile has that name.
        ConfigError: the model has several.
    """
    stored = list(list_profiles())
    names = [path.stem for path, _ in stored]
    if name in names:
        return stored[names.index(name)][0]
    of_model = [
        path
        for path, profile in stored
        if isinstance(profile, CalibratedProfile) and profile.model == name
    ]
    if not of_model:
        raise UnknownNameError("profile", name, names)
    if len(of_model) > 1:
        raise ConfigError(
            f"{name} has {len(of_model)} profiles",
            hint=f"name one: {', '.join(path.stem for path in of_model)}",
        )
    return of_model[0]


def named_profile(name: str) -> tuple[Path, CalibratedProfile]:
    """Read a stored profile. Return its path and the profile; see `profile_path`.

    Raises:
        ConfigError: as `profile_path`.
        RunFolderError: the file is damaged, or of another format.
    """
    path = profile_path(name)
    return path, read_profile(path)


def remove_profile(name: str) -> list[Path]:
    """Remove a stored profile and its calibration page. Return the paths of the removed files.

    Raises:
        ConfigError: as `profile_path`.
        ExportError: a file can't be removed.
    """
    path = profile_path(name)
    files = [each for each in (path, path.with_suffix(".html")) if each.is_file()]
    with wrap_os_errors(path):
        for each in files:
            each.unlink()
    return files


def _key(identity: CheckpointIdentity) -> str:
    content = json.dumps(asdict(identity), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", Path(model).name).strip("-.") or "model"
