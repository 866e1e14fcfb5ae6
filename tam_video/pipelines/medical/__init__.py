"""Medical cine and pictures: de-identified, masked, asked a protocol, told study by study.

Not a medical device.
"""

from tam_video.pipelines.medical.options import MedicalOptions, ProtocolQuestion
from tam_video.pipelines.medical.protocol import Medical

__all__ = ["Medical", "MedicalOptions", "ProtocolQuestion"]
