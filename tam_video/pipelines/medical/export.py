"""Export of annotated frames as DICOM under pseudonyms."""

from __future__ import annotations

from pathlib import Path

from tam_video.dicom.header import MODALITIES
from tam_video.dicom.secondary_capture import CaptureTags, write_secondary_capture
from tam_video.pipelines.medical.identity import Salt
from tam_video.pipelines.medical.intake import MedicalClip
from tam_video.video.reader import open_video
from tam_video.workspace.files import wrap_os_errors


def export_run(
    run_dir: Path, clip: MedicalClip, clip_file: Path, target: Path, *, salt: Salt
) -> None:
    """Write the annotated frames of a run as a Secondary Capture object, unless it exists.

    Args:
        run_dir: run folder.
        clip: explained clip.
        clip_file: file of the clip; its exact times are used if the annotated video has the same
            number of frames.
        target: file to write.
        salt: key for the new UIDs; the same run gets the same UIDs.

    Raises:
        InputError: the annotated video can't be read.
        MissingDependencyError: pydicom is not installed.
        ExportError: the object can't be written.
    """
    if target.is_file():
        return
    with wrap_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    drawn = run_dir / ("annotated.png" if clip.num_frames == 1 else "annotated.mp4")
    with open_video(drawn) as reader, open_video(clip_file) as source:
        same = len(reader.timeline) == len(source.timeline)
        write_secondary_capture(
            target,
            (frame.rgb for frame in reader.frames()),
            (source if same else reader).timeline.pts_seconds,
            CaptureTags(
                patient=clip.patient or clip.study,
                study_uid=salt.uid("study uid", clip.study),
                series_uid=salt.uid("series uid", target.stem),
                instance_uid=salt.uid("instance uid", target.stem),
                modality=clip.modality if clip.modality in MODALITIES else "OT",
                has_burned_in=clip.has_burned_in,
                derivation="Token activation maps of a video language model drawn on the frames",
            ),
        )
