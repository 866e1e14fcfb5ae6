"""The result of a calibration: a profile that belongs to one checkpoint, as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from tam_video.errors import RunFolderError
from tam_video.profiles.identity import CheckpointIdentity
from tam_video.tam.options import ActivationOptions
from tam_video.workspace.files import atomic_write

Verdict: TypeAlias = Literal["trust", "do-not-trust", "not-measurable"]
Figure: TypeAlias = dict[str, float | None]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class CalibratedProfile:
    """A profile that a calibration chose for one checkpoint, and the measured values.

    Attributes:
        model: name under which the checkpoint was loaded.
        revision: its revision on the hub, if one was given.
        identity: what the profile belongs to.
        num_layers: decoder layers of the model.
        layers: layers whose maps are averaged.
        options: the steps after the layers.
        is_built_in: whether the built-in profile stays, because the choice was not better.
        verdict: whether the model's maps can be trusted.
        sentence: the verdict in words.
        worlds: share of clips that the model understands, by world; only worlds that were asked.
        used_worlds: worlds whose clips were measured.
        seed: seed of the clips.
        num_clips: clips for the selection and held-out clips.
        held_out: metrics of the profile on held-out clips.
        differences: profile minus built-in on held-out clips, before the decision.
        curves: mean of each metric of each layer's raw maps.
        versions: package versions.
        format: version of this file's format.
    """

    model: str
    revision: str | None
    identity: CheckpointIdentity
    num_layers: int
    layers: tuple[int, ...]
    options: ActivationOptions
    is_built_in: bool
    verdict: Verdict
    sentence: str
    worlds: dict[str, float]
    used_worlds: tuple[str, ...]
    seed: int
    num_clips: tuple[int, int]
    held_out: dict[str, Figure] = field(default_factory=dict)
    differences: dict[str, Figure] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the content of the profile's file."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    def as_document(self) -> dict[str, Any]:
        """Convert the profile to the JSON values that the setting `profile` can hold."""
        document: dict[str, Any] = json.loads(self.to_json())
        return document


_HINT = "write it again: tam-video calibrate -m MODEL"
_ADAPTER = TypeAdapter(CalibratedProfile)


def read_profile(path: Path) -> CalibratedProfile:
    """Read a profile from a JSON file.

    Raises:
        RunFolderError: the file is missing, damaged, or of another format.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as exc:
        raise RunFolderError(f"can't read {path}: {exc.strerror or exc}", hint=_HINT) from exc
    except ValueError as exc:
        raise RunFolderError(f"{path} is not JSON", hint=_HINT) from exc
    return parse_profile(document, name=str(path))


def parse_profile(document: object, *, name: str) -> CalibratedProfile:
    """Convert the content of a profile's file to a profile, and check it.

    Args:
        document: parsed JSON.
        name: the file's name in error messages.

    Raises:
        RunFolderError: it is damaged, or of another format.
    """
    stored_format = document.get("format") if isinstance(document, dict) else None
    if stored_format != FORMAT:
        raise RunFolderError(
            f"{name} has the profile format {stored_format}, but this release reads {FORMAT}",
            hint=_HINT,
        )
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"{name} is not a profile: {where}: {first['msg']}", hint=_HINT
        ) from exc


def write_profile(profile: CalibratedProfile, path: Path) -> Path:
    """Write a profile to a JSON file."""
    atomic_write(path, profile.to_json())
    return path
