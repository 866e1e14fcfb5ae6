"""Medical cine and images: de-identified, masked, and explained by the questions of a protocol.

Not a medical device.
"""

from tam_video.pipelines.medical.options import MedicalOptions, ProtocolQuestion
from tam_video.pipelines.medical.protocol import Medical

__all__ = ["Medical", "MedicalOptions", "ProtocolQuestion"]
