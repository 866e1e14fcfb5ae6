"""The surveillance pipeline: motion gate, questions, alert rules and event clips for cameras."""

from __future__ import annotations

from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.pipeline import Surveillance

__all__ = ["Surveillance", "SurveillanceOptions"]
