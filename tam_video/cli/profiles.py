"""`tam-video profiles`: the calibrated profiles in the user's data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH

if TYPE_CHECKING:
    from tam_video.errors import RunFolderError
    from tam_video.profiles.profile import CalibratedProfile

_NAME = click.argument("name", metavar="PROFILE")


@click.group("profiles")
def profiles_command() -> None:
    """List, show, export and remove calibrated profiles.

    `tam-video calibrate` stores a profile in the user's data folder, or in $TAM_VIDEO_DATA.
    `--profile auto` uses it for exactly that checkpoint. PROFILE is the name that `list` prints, or
    the model that the profile was made for.
    """


@profiles_command.command("list")
@with_console
def list_command(console: Console) -> None:
    """List the stored profiles, each with its verdict."""
    from tam_video.profiles.store import list_profiles, profile_folder

    stored = list(list_profiles())
    folder = profile_folder()
    lines = [f"no profiles in {folder}; make one: tam-video calibrate -m MODEL"]
    if stored:
        lines = [_line(path, profile) for path, profile in stored]
    console.result(
        {"folder": folder, "profiles": [_row(path, profile) for path, profile in stored]},
        "\n".join(lines),
    )


@profiles_command.command("show")
@_NAME
@with_console
def show_command(console: Console, name: str) -> None:
    """Show a profile: what it belongs to, the verdict, and how maps are read with it."""
    from tam_video.profiles.store import named_profile
    from tam_video.types import verdict_title

    path, profile = named_profile(name)
    document = profile.as_document()
    facts = {
        "model": " ".join(filter(None, (profile.model, profile.revision))),
        "layers": f"{', '.join(map(str, profile.layers))} of 0 to {profile.num_layers - 1}",
        **{key.replace("_", " "): value for key, value in document["options"].items()},
        "built-in profile": "kept" if profile.is_built_in else "replaced",
        **{f"identity, {key}": value or "none" for key, value in document["identity"].items()},
        "file": path,
    }
    lines = [f"{verdict_title(profile.verdict)}: {profile.sentence}"]
    lines += [f"{key}: {value}" for key, value in facts.items()]
    console.result({"name": path.stem, "file": path, **document}, "\n".join(lines))


@profiles_command.command("export")
@_NAME
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="FILE", help="JSON file to write."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@with_console
def export_command(console: Console, name: str, output: Path, force: bool) -> None:
    """Write a profile to a file, for `--profile FILE` on another machine."""
    from tam_video.errors import OutputExistsError
    from tam_video.profiles.profile import write_profile
    from tam_video.profiles.store import named_profile

    _, profile = named_profile(name)
    if output.exists() and not force:
        raise OutputExistsError(f"{output} already exists", hint="pass --force to overwrite it")
    write_profile(profile, output)
    console.result({"file": output}, str(output))


@profiles_command.command("remove")
@_NAME
@with_console
def remove_command(console: Console, name: str) -> None:
    """Remove a profile and the page of its calibration. Finished runs do not change."""
    from tam_video.profiles.store import remove_profile

    removed = [str(path) for path in remove_profile(name)]
    console.result({"removed": removed}, "\n".join(f"removed {path}" for path in removed))


def _line(path: Path, profile: CalibratedProfile | RunFolderError) -> str:
    from tam_video.errors import RunFolderError
    from tam_video.types import verdict_title

    if isinstance(profile, RunFolderError):
        return f"{path.stem}  damaged: {profile.message}"
    identity = profile.identity
    kind = " ".join(filter(None, (identity.dtype, identity.quantization.partition(" ")[0])))
    return f"{path.stem}  {verdict_title(profile.verdict)}  {profile.model} ({kind})"


def _row(path: Path, profile: CalibratedProfile | RunFolderError) -> dict[str, Any]:
    from tam_video.errors import RunFolderError

    if isinstance(profile, RunFolderError):
        return {"name": path.stem, "file": str(path), "error": profile.message}
    document = profile.as_document()
    shown = ("model", "revision", "verdict", "sentence", "layers", "is_built_in", "identity")
    return {"name": path.stem, "file": str(path), **{key: document[key] for key in shown}}
