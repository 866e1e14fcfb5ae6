"""The medical pipeline: de-identify and mask cine clips and images, and ask protocol questions.

Not a medical device.
"""

from tam_video.pipelines.medical.options import MedicalOptions, ProtocolQuestion
from tam_video.pipelines.medical.protocol import Medical

__all__ = ["Medical", "MedicalOptions", "ProtocolQuestion"]
