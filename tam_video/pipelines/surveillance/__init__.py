"""Cameras watched for what a question asks: motion gate, questions, alert rules, event clips."""

from __future__ import annotations

from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.pipeline import Surveillance

__all__ = ["Surveillance", "SurveillanceOptions"]
