"""Read DICOM images and cine loops as videos, and write results as Secondary Capture.

A reader reads an allow-list of technical tags and stores nothing about a patient. Pixels are
decoded by pydicom and its plug-ins (`pip install 'tam-video[dicom]'`).
"""

from tam_video.dicom.reader import DicomReader
from tam_video.dicom.regions import Box

__all__ = ["Box", "DicomReader"]
