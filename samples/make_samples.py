"""Make the sample clips: `python samples/make_samples.py`."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import FPS, NUM_FRAMES, SIDE_PX
from tam_video.datasets.worlds import make_clip, write_scene
from tam_video.types import ByteArray

CLIPS = {"shapes.mp4": (9, 2), "three_shapes.mp4": (2, 3)}
CINE = "ultrasound.dcm"
BANNER_PX, MARGIN_PX, SCALE_PX = 26, 12, 40
STEP = 2  # every second frame, to keep the file small


def main() -> None:
    """Write the clips beside this file."""
    here = Path(__file__).parent
    for name, (seed, num_objects) in CLIPS.items():
        clip = make_clip(seed, split="test", num_objects=num_objects)
        print(write_scene(clip, here / name))
    print(write_cine(make_clip(9, split="test", num_objects=2), here / CINE))


def write_cine(clip: SceneClip, path: Path) -> Path:
    """Write a clip as an ultrasound cine with a made-up patient, in the tags and in the picture."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = MARGIN_PX, BANNER_PX
    region.RegionLocationMaxX1 = MARGIN_PX + SIDE_PX - 1
    region.RegionLocationMaxY1 = BANNER_PX + SIDE_PX - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.SOPClassUID, made.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "2.25.3003"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.1001", "2.25.2002"
    made.PatientName, made.PatientID = "DOE^JANE", "MRN-0042"
    made.PatientBirthDate, made.PatientSex, made.StudyDate = "19610401", "F", "20240229"
    made.Modality, made.BurnedInAnnotation = "US", "YES"
    made.FrameIncrementPointer, made.FrameTime = 0x00181063, f"{1000 * STEP / FPS:g}"
    made.SequenceOfUltrasoundRegions = [region]
    frames = [_screen(clip.render_frame(frame)) for frame in range(0, NUM_FRAMES, STEP)]
    made.NumberOfFrames, made.Rows, made.Columns = len(frames), *frames[0].shape[:2]
    made.SamplesPerPixel, made.PlanarConfiguration = 3, 0
    made.PhotometricInterpretation = "YBR_FULL_422"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.PixelData = encapsulate([_jpeg(frame) for frame in frames])
    made.save_as(path, enforce_file_format=True)
    return path


def _screen(picture: ByteArray) -> ByteArray:
    """A frame as a scanner shows it: name and number above, a scale beside."""
    from PIL import Image, ImageDraw

    height, width = BANNER_PX + SIDE_PX + MARGIN_PX, MARGIN_PX + SIDE_PX + SCALE_PX
    screen = Image.new("RGB", (width, height))
    screen.paste(Image.fromarray(picture), (MARGIN_PX, BANNER_PX))
    pen = ImageDraw.Draw(screen)
    pen.text((4, 2), "DOE^JANE  1961-04-01", fill="white")
    pen.text((4, 13), "MRN-0042", fill="white")
    right = MARGIN_PX + SIDE_PX
    for depth in range(6):
        y = BANNER_PX + depth * (SIDE_PX - 1) // 5
        pen.line((right + 6, y, right + 12, y), fill="white")
        pen.text((right + 16, y - 6), str(depth), fill="white")
    return np.asarray(screen)


def _jpeg(picture: ByteArray) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=80, subsampling="4:2:2")
    return file.getvalue()


if __name__ == "__main__":
    main()
