"""Calibrate a model, and store its profile and the page of the calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tam_video.calibration.page import PAGE, write_page
from tam_video.calibration.run import calibrate_model, checkpoint_identity
from tam_video.models import load_model
from tam_video.models.inference import TransformersModel
from tam_video.profiles.profile import CalibratedProfile, write_profile
from tam_video.profiles.store import checkpoint_name, data_folder, store_profile
from tam_video.sampling import PathLike
from tam_video.stages import StageProgress
from tam_video.workspace.files import wrap_os_errors
from tam_video.workspace.workspace import remove

PROFILE = "profile.json"


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """The profile of a calibrated model, and the files that were written.

    Attributes:
        profile: the profile.
        path: its file among the user's profiles, which `--profile auto` finds.
        page: the page of the calibration.
    """

    profile: CalibratedProfile
    path: Path
    page: Path


def calibrate(
    model: str | TransformersModel = "tiny",
    *,
    worlds: Sequence[str] = (),
    num_clips: int = 60,
    seed: int = 0,
    output: PathLike | None = None,
    evidence: PathLike | None = None,
    progress: StageProgress | None = None,
    notice: Callable[[str], None] | None = None,
) -> StoredCalibration:
    """Calibrate a model on synthetic clips with exact masks, and store its profile.

    A calibration that was stopped resumes: what was measured on each clip is in a folder of the
    checkpoint in the user's data folder, which is removed at the end. The profile is the same as
    without the stop.

    Args:
        model: a loaded model, or the name that `load_model` takes.
        worlds: worlds of clips that are measured whether the model understands them or not; by
            default all worlds that it understands.
        num_clips: clips per world, of which 40 % are held out; at least 10.
        seed: seed of the clips.
        output: folder that gets a copy of the profile, and the page.
        evidence: folder in which what was measured on each clip is kept. Clips that are done there
            are not computed again, in a calibration with other worlds or more clips too. Evidence
            of another checkpoint, seed, device or package version is refused.
        progress: called as the work goes on.
        notice: called with a line of text if the calibration resumes.

    Raises:
        ConfigError: there are too few clips, or another process calibrates this checkpoint.
        UnknownNameError: a world is unknown.
        ModelError: the model can't be loaded, or fails.
        OutputError: a folder contains something else or evidence of other settings, or can't be
            written.
    """
    loaded = load_model(model) if isinstance(model, str) else model
    folder = evidence_folder(loaded) if evidence is None else Path(evidence)
    done = calibrate_model(
        loaded,
        worlds=worlds,
        num_clips=num_clips,
        seed=seed,
        folder=folder,
        starts_over=evidence is None,
        progress=progress,
        notice=notice,
    )
    path = store_profile(done.profile)
    page = write_page(done.profile, done.examples, path.with_suffix(".html"))
    if output is not None:
        write_profile(done.profile, Path(output) / PROFILE)
        page = write_page(done.profile, done.examples, Path(output) / PAGE)
    if evidence is None:
        with wrap_os_errors(folder):
            remove(folder)
    return StoredCalibration(done.profile, path, page)


def evidence_folder(model: TransformersModel) -> Path:
    """Return the folder of an unfinished calibration of a model, which may not exist.

    Raises:
        ModelLoadError: the files of the model are not found.
    """
    return data_folder() / "calibrations" / checkpoint_name(model.name, checkpoint_identity(model))
