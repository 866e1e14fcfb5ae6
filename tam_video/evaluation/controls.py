"""Clips to the controls' report: what a map is worth that can't know the clip.

A method whose controls score like its true run shows the model's habits, not what it saw. Each part
is in a module of its own: settings, one clip, scores, answers worn down, and the report.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292.
"""

from __future__ import annotations

from pathlib import Path

from tam_video.evaluation.controls_clip import measure_controls
from tam_video.evaluation.controls_output import control_csv, control_json, control_plots
from tam_video.evaluation.controls_report import ControlReport, make_control_report
from tam_video.evaluation.controls_settings import ControlSettings
from tam_video.evaluation.run import Evaluation, Files, evaluated, write_results
from tam_video.stages import StepProgress


def evaluate_controls(
    settings: ControlSettings,
    folder: str | Path,
    *,
    workers: int = 1,
    force: bool = False,
    progress: StepProgress | None = None,
) -> Evaluation[ControlReport]:
    """Measure the clips that are missing in a folder, then write the report of the controls.

    Args:
        settings: what is measured.
        folder: as for `run.evaluate`.
        workers: processes.
        force: start over in a folder with an evaluation.
        progress: called after every clip.

    Raises:
        TamVideoError: as `run.evaluate`.
    """
    return evaluated(
        measure_controls,
        settings,
        folder,
        make_control_report,
        _write,
        workers=workers,
        force=force,
        progress=progress,
    )


def _write(report: ControlReport, folder: Path) -> Files:
    return write_results(
        folder, control_json(report), table=control_csv(report), plots=control_plots(report)
    )
