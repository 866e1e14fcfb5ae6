"""Convert an explanation to the JSON data of a report: words, tracks and base64-encoded maps.

Times are seconds from the source's first frame; positions are fractions of the picture's width and
height. No path of the machine that wrote the report is included.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np

from tam_video.localise import WordTrack, slot_timeline, word_tracks
from tam_video.render.overlay import color_table
from tam_video.report.media import Media
from tam_video.tam.reliance import LOW_RELIANCE
from tam_video.types import Explanation, FloatArray, Word

COLORMAPS = ("turbo", "cividis", "inferno", "jet")
JsonObject: TypeAlias = dict[str, Any]

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


def report_data(explanation: Explanation, media: Sequence[Media]) -> JsonObject:
    """Return the report data for the JavaScript of the page.

    Args:
        explanation: all inputs of it.
        media: the media of each input.

    Returns:
        `answer`, `words`, `tokens`, `relevance` (uint8 [N, M]: of text token m for word n),
        `inputs` with `maps` (uint8 [N, t, h, w]), and `colormaps` (uint8 [256, 3] each).
    """
    reliance = explanation.visual_reliance
    scores = [None] * len(explanation.words) if reliance is None else reliance.tolist()
    return {
        "answer": explanation.answer,
        "words": [
            {
                "text": word.text,
                "isContent": word.is_content,
                "tokens": list(word.token_indices),
                "reliance": _rounded(score),
                "isSuspect": word.is_content and score is not None and score < LOW_RELIANCE,
                "check": _check(explanation, word),
            }
            for word, score in zip(explanation.words, scores, strict=True)
        ],
        "tokens": [
            {
                "text": token.text,
                "probability": _rounded(token.probability),
                "candidates": [[c.text, _rounded(c.probability)] for c in token.candidates],
            }
            for token in explanation.tokens
        ],
        "relevance": encode_bytes(word_relevance(explanation)),
        "inputs": [_input(explanation, index, shown) for index, shown in enumerate(media)],
        "colormaps": {
            name: base64.b64encode(color_table(name).tobytes()).decode() for name in COLORMAPS
        },
        "settings": {
            "colormap": _known_colormap(explanation.settings.get("colormap")),
            "opacity": explanation.settings.get("opacity", 0.6),
        },
    }


def _input(explanation: Explanation, index: int, media: Media) -> JsonObject:
    alone = explanation.of_input(index)
    info, layout = alone.info, alone.layout
    tracks = word_tracks(explanation, index)
    start = info.start_seconds
    timeline, view = slot_timeline(alone), layout.view
    return {
        "kind": media.kind,
        "sources": list(media.sources) if media.kind == "stills" else [],
        "offset": _rounded(media.offset_seconds - start, 6),
        "hasAudio": media.has_audio,
        "isImage": info.is_image,
        "aspect": _rounded(float(info.width * info.sample_aspect_ratio / info.height), 5),
        "fps": _rounded(float(info.average_fps)),
        "grid": list(layout.shape),
        "view": [view.left, view.top, view.right, view.bottom],
        "slots": _list(timeline.slot_seconds - start),
        "edges": _list(timeline.edges_seconds - start),
        "frames": [list(frames) for frames in layout.slot_indices(alone.indices)],
        "maps": encode_bytes(alone.word_maps),
        "tracks": [_track(track, start, info.width, info.height) for track in tracks],
    }


def _check(explanation: Explanation, word: Word) -> JsonObject | None:
    """Return the causal check of a word, or None if the word was not checked."""
    known = explanation.verification
    check = None if known is None else known.of_word(word.index)
    if check is None:
        return None
    return {
        "sentence": check.sentence,
        "hidden": _rounded(check.hidden),
        "numBeaten": check.num_beaten,
        "numControls": len(check.controls),
    }


def _track(track: WordTrack, start: float, width: int, height: int) -> JsonObject:
    cells = track.heat[0].size
    span, peak = track.span_seconds, track.peak
    scale = np.array([width, height, width, height])
    return {
        "energy": _list(track.energy / cells, 4),
        "share": _rounded(track.energy_share),
        "span": None if span is None else [_rounded(edge - start, 4) for edge in span],
        "boxes": [[int(slot), *_list(track.boxes[slot] / scale, 4)] for slot in track.slots],
        "peak": peak
        and {
            "slot": peak.slot,
            "seconds": _rounded(peak.seconds - start, 4),
            "value": _rounded(peak.value),
            "x": _rounded(peak.x_px / width),
            "y": _rounded(peak.y_px / height),
            "place": place_name(peak.x_px / width, peak.y_px / height),
        },
    }


def word_relevance(explanation: Explanation) -> FloatArray:
    """Compute the relevance of each text token for each word, as the mean over the word's tokens.

    Returns:
        float32 [N, M] in [0, 1].
    """
    rows = [
        explanation.text_scores[list(word.token_indices)].mean(axis=0) for word in explanation.words
    ]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(explanation.tokens))


def encode_bytes(values: FloatArray) -> str:
    """Encode values in [0, 1] as base64 of row-major uint8. NaN becomes 0."""
    clean = np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0)
    return base64.b64encode(np.rint(clean * 255).astype(np.uint8).tobytes()).decode("ascii")


def place_name(x: float, y: float) -> str:
    """Describe a position in the picture in words: "upper left", "centre"."""
    row, column = _ROWS[min(2, int(3 * y))], _COLUMNS[min(2, int(3 * x))]
    if row == "middle":
        return "centre" if column == "centre" else column
    return row if column == "centre" else f"{row} {column}"


def answer_parts(answer: str, words: Sequence[Word]) -> list[tuple[str, Word | None]]:
    """Split the answer into words and the text between words, in order and without gaps."""
    parts: list[tuple[str, Word | None]] = []
    at = 0
    for word in words:
        if word.char_start > at:
            parts.append((answer[at : word.char_start], None))
        parts.append((answer[word.char_start : word.char_end], word))
        at = word.char_end
    if at < len(answer):
        parts.append((answer[at:], None))
    return parts


def run_facts(explanation: Explanation) -> dict[str, str]:
    """Return what a report says about the run, by label. Paths are cut to their last component."""
    settings, layout = explanation.settings, explanation.layout
    num_frames = sum(len(each.indices) for each in explanation.inputs)
    facts = {
        "Model": last_name(settings.get("model", "")),
        "Family": str(settings.get("family", "")),
        "Precision": str(settings.get("dtype", "")),
        "Layer": _layers(explanation),
        "Profile": str(settings.get("profile", "")),
        "Sampler": str(settings.get("sampler", "")),
        "Frames seen": str(num_frames),
        "Slots": f"{layout.t} slots of {layout.h} x {layout.w} cells",
        "Answer": "given" if settings.get("answer_given") else "generated",
        **{name: str(value) for name, value in explanation.versions.items()},
    }
    return {label: value for label, value in facts.items() if value}


def reading_line(explanation: Explanation) -> str:
    """Say in a sentence with which profile the maps were read; "" for another method."""
    profile, calibration = explanation.settings.get("profile"), explanation.calibration
    if not profile or explanation.settings.get("method", "tam") != "tam":
        return ""
    if calibration is None:
        text = f"Maps are read with the profile {profile}, which is not calibrated for this model."
        return text + _masked(explanation)
    kind = "the profile that was calibrated for this model"
    text = f"Maps are read with {kind}: {calibration.profile}."
    verdict = "" if calibration.warning else f" {calibration.sentence}"
    return text + verdict + _masked(explanation)


def _masked(explanation: Explanation) -> str:
    """Say in a sentence how many cells were left out as sinks; "" if none."""
    masked = sum(each.num_masked for each in explanation.inputs)
    total = sum(each.layout.num_cells for each in explanation.inputs)
    if not masked:
        return ""
    tokens = "visual token" if masked == 1 else "visual tokens"
    return f" Left out as sinks (states with an outlying norm): {masked} {tokens} of {total}."


def _layers(explanation: Explanation) -> str:
    """Return the layer in the settings, or the layers of the profile, as `--layer` counts them."""
    layer = explanation.settings.get("layer", "")
    if explanation.calibration is not None and layer == "auto":
        return ", ".join(map(str, explanation.calibration.layers))
    return str(layer)


def last_name(path: object) -> str:
    """Return the last component of a path. A model name from the Hub stays unchanged.

    A hub id such as "Qwen/Qwen2.5-VL-3B-Instruct" has one slash and is kept whole.
    """
    text = str(path)
    is_hub_id = text.count("/") == 1 and not text.startswith(("/", ".", "~"))
    return text if is_hub_id else PurePath(text.replace("\\", "/")).name


def input_names(explanation: Explanation) -> list[str]:
    """Return the file names of the inputs, without their folders."""
    return [each.info.path.name for each in explanation.inputs]


def _known_colormap(name: object) -> str:
    return name if isinstance(name, str) and name in COLORMAPS else COLORMAPS[0]


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _list(values: Any, digits: int = 5) -> list[float]:
    return [round(float(value), digits) for value in np.nan_to_num(values)]
