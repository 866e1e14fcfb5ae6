"""Write the page of a calibration: verdict, measured values, and maps of held-out clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tam_video.calibration.candidates import METRICS
from tam_video.calibration.examples import Example
from tam_video.calibration.run import LEAST_UNDERSTOOD
from tam_video.evaluation.plots import curve_chart
from tam_video.evaluation.score import METRICS as TITLES
from tam_video.profiles.profile import CalibratedProfile, Figure
from tam_video.report.media import data_uri
from tam_video.report.page import plain_page
from tam_video.types import ByteArray
from tam_video.workspace.files import atomic_write

PAGE = "calibration.html"
VERDICTS = {
    "trust": "TRUST: maps of this model find their objects",
    "do-not-trust": "DO NOT TRUST: maps of this model are not above chance",
    "not-measurable": "NOT MEASURABLE: the model does not understand the clips",
}


def write_page(profile: CalibratedProfile, examples: Sequence[Example], path: Path) -> Path:
    """Write the page of a calibration as one HTML file. The page has no scripts."""
    page = plain_page(
        "calibration.html",
        package="tam_video.calibration",
        style="calibration.css",
        title=f"Calibration of {profile.model}",
        profile=profile,
        verdict=VERDICTS[profile.verdict],
        choice=choice_sentence(profile),
        needed=f"{LEAST_UNDERSTOOD:.0%}",
        figures=_figures(profile),
        curves=_curves(profile) if profile.curves else "",
        examples=[_pictures(each) for each in examples],
        facts=_facts(profile),
    )
    atomic_write(path, page.encoded())
    return path


def choice_sentence(profile: CalibratedProfile) -> str:
    """Return a sentence that says which profile is used, and why."""
    if not profile.is_built_in:
        numbers = ", ".join(str(layer + 1) for layer in profile.layers)
        word = "layer" if len(profile.layers) == 1 else "layers"
        return (
            f"Maps are read from {word} {numbers} of {profile.num_layers}: on held-out clips this "
            "was better than the built-in profile."
        )
    if profile.verdict == "not-measurable":
        return "Maps are read with the built-in profile, because nothing could be measured."
    return "Maps are read with the built-in profile: on held-out clips no other choice was better."


def _figures(profile: CalibratedProfile) -> list[tuple[str, str, str]]:
    names = [name for name in (*METRICS, "auc") if name in profile.held_out]
    return [
        (
            TITLES[name].title,
            _interval(profile.held_out[name]),
            _interval(profile.differences.get(name, {}), sign=True),
        )
        for name in names
    ]


def _interval(figure: Figure, *, sign: bool = False) -> str:
    mean, low, high = (figure.get(name) for name in ("mean", "low", "high"))
    if mean is None:
        return "-"
    form = "+.3f" if sign else ".3f"
    ends = "" if low is None or high is None else f" [{low:{form}}, {high:{form}}]"
    return f"{mean:{form}}{ends}"


def _curves(profile: CalibratedProfile) -> str:
    """Draw a chart of each metric against the layer. Return a data URI, or "" without curves."""
    curves = {
        TITLES[name].title: np.array([math.nan if v is None else v for v in values])
        for name, values in profile.curves.items()
        if len(values) > 1 and all(value is not None for value in values)
    }
    if not curves:
        return ""
    count = profile.num_layers
    shares = sorted({0, count // 4, count // 2, 3 * count // 4, count - 1})
    svg = curve_chart(
        "Mean over the clips of the selection",
        curves,
        x_title="decoder layer",
        x_ticks={number / (count - 1): str(number + 1) for number in shares},
    )
    return data_uri(svg.encode(), "image/svg+xml")


def _pictures(example: Example) -> Mapping[str, str]:
    return {
        "caption": example.caption,
        "word": example.word,
        "truth": _png(example.truth),
        "built_in": _png(example.built_in),
        "chosen": _png(example.chosen),
    }


def _png(picture: ByteArray) -> str:
    import cv2

    _, encoded = cv2.imencode(".png", picture[..., ::-1])
    return data_uri(encoded.tobytes(), "image/png")


def _facts(profile: CalibratedProfile) -> list[tuple[str, str]]:
    identity = profile.identity
    options = profile.options
    steps = ["sinks left out"] if options.mask_sinks else []
    steps.append(f"correction {options.correction}")
    if options.rank_filter:
        least = options.rank_filter_min_cells
        steps.append(f"rank filter from {least} cells on" if least else "rank filter")
    if options.gaussian_sigma_slots:
        steps.append(f"Gaussian of {options.gaussian_sigma_slots:g} slots along the motion")
    return [
        ("model", profile.model),
        ("revision", profile.revision or "-"),
        ("family", identity.family),
        ("data type", identity.dtype),
        ("quantization", identity.quantization or "none"),
        ("weights", identity.weights[:16]),
        ("layers", ", ".join(str(layer + 1) for layer in profile.layers)),
        ("steps", ", ".join(steps)),
        ("seed", str(profile.seed)),
        ("versions", ", ".join(f"{name} {v}" for name, v in profile.versions.items())),
    ]
