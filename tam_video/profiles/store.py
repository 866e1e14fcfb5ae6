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

from tam_video.errors import UnknownNameError
from tam_video.profiles.identity import CheckpointIdentity
from tam_video.profiles.profile import CalibratedProfile, read_profile, write_profile

DATA_VARIABLE = "TAM_VIDEO_DATA"


def profile_folder() -> Path:
    """Return the folder of the stored profiles, which may not exist yet."""
    if chosen := os.environ.get(DATA_VARIABLE):
        return Path(chosen) / "profiles"
    from platformdirs import user_data_path

    return user_data_path("tam-video", appauthor=False) / "profiles"


def stored_path(profile: CalibratedProfile) -> Path:
    """Return where the profile of a checkpoint is stored: one file per identity."""
    return profile_folder() / f"{profile_name(profile)}.json"


def profile_name(profile: CalibratedProfile) -> str:
    """Return the name of a profile, made from the model's name and the checkpoint's identity."""
    return f"{_slug(profile.model)}-{_key(profile.identity)}"


def store_profile(profile: CalibratedProfile) -> Path:
    """Store a profile in place of an earlier one of the same checkpoint."""
    path = stored_path(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_profile(profile, path)


def find_profile(identity: CheckpointIdentity) -> CalibratedProfile | None:
    """Return the stored profile of a checkpoint, or None if there is none.

    Raises:
        RunFolderError: its file is damaged, or of another format.
    """
    for path in sorted(profile_folder().glob(f"*-{_key(identity)}.json")):
        profile = read_profile(path)
        if profile.identity == identity:
            return profile
    return None


def list_profiles() -> Iterator[tuple[Path, CalibratedProfile]]:
    """Yield all stored profiles with their files.

    Raises:
        RunFolderError: a file is damaged, or of another format.
    """
    for path in sorted(profile_folder().glob("*.json")):
        yield path, read_profile(path)


def named_profile(name: str) -> tuple[Path, CalibratedProfile]:
    """Return the stored profile with a name: its file without the suffix, or its model.

    Raises:
        UnknownNameError: no profile or several have that name.
    """
    stored = list(list_profiles())
    matching = [each for each in stored if name in (each[0].stem, each[1].model)]
    if len(matching) != 1:
        raise UnknownNameError("profile", name, [path.stem for path, _ in stored])
    return matching[0]


def _key(identity: CheckpointIdentity) -> str:
    content = json.dumps(asdict(identity), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _slug(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", Path(model).name).strip("-.") or "model"
