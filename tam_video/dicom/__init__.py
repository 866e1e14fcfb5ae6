"""DICOM: cine and pictures as videos, and results written as Secondary Capture.

Reads what an allow-list of technical tags names; nothing of a patient is kept by a reader. Pixels
are decoded by pydicom and its plug-ins (`pip install 'tam-video[dicom]'`).
"""

from tam_video.dicom.reader import DicomReader
from tam_video.dicom.regions import Box

__all__ = ["Box", "DicomReader"]
