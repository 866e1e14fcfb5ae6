"""Read and write `explanation.json`, which holds an explanation without its arrays.

Version 2 lists all inputs in `inputs`, with their fingerprints. Version 1 had the fields of the
first input at the top level, those of the rest in `other_inputs`, and called deduplicated cells
"borrowed"; it is read too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.errors import RunFolderError
from tam_video.export.arrays import read_arrays, write_arrays
from tam_video.export.manifest import new_run_folder, read_manifest
from tam_video.export.text_files import write_json
from tam_video.types import (
    Calibration,
    Candidate,
    ExplainedInput,
    Explanation,
    FloatArray,
    Message,
    Token,
    Verification,
    VideoInfo,
    View,
    VisualLayout,
    Word,
    WordVerification,
)

SCHEMA_VERSION = 2
RELIANCE = "visual_reliance"
VERIFICATION = "verification"
_MASKED = "masked_cells"


def to_document(explanation: Explanation) -> dict[str, Any]:
    """Convert an explanation to JSON values. A token's `word` is the index of its word, or None."""
    owner = {i: word.index for word in explanation.words for i in word.token_indices}
    document = {
        "schema_version": SCHEMA_VERSION,
        "inputs": [_input(each) for each in explanation.inputs],
        "conversation": [asdict(turn) for turn in explanation.conversation],
        "question": explanation.conversation[-1].text,
        "answer": explanation.answer,
        "tokens": [
            {**asdict(token), "word": owner.get(token.index)} for token in explanation.tokens
        ],
        "words": _words(explanation),
        "settings": dict(explanation.settings),
        "versions": dict(explanation.versions),
        "timings_seconds": {k: round(v, 4) for k, v in explanation.timings.items()},
        "warnings": list(explanation.warnings),
    }
    if explanation.calibration is not None:
        document["calibration"] = asdict(explanation.calibration)
    if explanation.verification is not None:
        document[VERIFICATION] = asdict(explanation.verification)
    return document


def write_document(explanation: Explanation, path: Path) -> Path:
    """Write `explanation.json`. NaN and infinite values raise a ValueError."""
    write_json(to_document(explanation), path)
    return path


def with_verification(source: Path, target: Path, verification: Verification) -> Path:
    """Write a copy of an `explanation.json`, in its own schema version, with a causal check.

    Raises:
        RunFolderError: the source can't be read.
    """
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise RunFolderError(
            f"can't read {source}: {exc}", hint="the run is damaged: explain the clip again"
        ) from exc
    write_json({**document, VERIFICATION: asdict(verification)}, target)
    return target


def save_explanation(explanation: Explanation, directory: Path, *, force: bool = False) -> Path:
    """Write `explanation.json`, `maps.npz` and `manifest.json`, or no file if an error occurs.

    Raises:
        OutputExistsError: the folder exists and `force` is not set, or it is not a run folder.
        ExportError: the folder can't be written.
    """
    with new_run_folder(directory, force=force) as folder:
        write_arrays(explanation, folder / "maps.npz")
        write_document(explanation, folder / "explanation.json")
    return directory


def load_explanation(directory: Path) -> Explanation:
    """Load the explanation of a finished run folder.

    Raises:
        RunFolderError: it is not a finished run, or it is damaged.
    """
    read_manifest(directory)
    return read_explanation(directory)


def read_explanation(directory: Path) -> Explanation:
    """Load an explanation from `explanation.json` and `maps.npz` in a run folder.

    Raises:
        RunFolderError: a file is missing, damaged, or of another schema version.
    """
    path = directory / "explanation.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
        if version not in (1, SCHEMA_VERSION):
            raise RunFolderError(
                f"{path} has schema version {version} instead of 1 or {SCHEMA_VERSION}",
                hint="use the release that wrote the file, or explain the clip again",
            )
        return _from_document(document, directory)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RunFolderError(
            f"{directory} is not a finished run: {exc}",
            hint="pass a folder that `tam-video explain` wrote",
        ) from exc


def input_rows(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entry of each input in an `explanation.json` of schema version 1 or 2.

    Raises:
        KeyError: a field is missing.
    """
    if document["schema_version"] == 1:
        return [document, *document.get("other_inputs", ())]
    return list(document["inputs"])


def _from_document(document: Mapping[str, Any], directory: Path) -> Explanation:
    rows = input_rows(document)
    text_scores, maps = read_arrays(directory / "maps.npz", num_inputs=len(rows))
    return Explanation(
        inputs=tuple(_read_input(row, arrays) for row, arrays in zip(rows, maps, strict=True)),
        conversation=tuple(
            Message(turn["role"], turn["text"], tuple(turn.get("inputs", ())))
            for turn in document["conversation"]
        ),
        answer=document["answer"],
        tokens=tuple(_read_token(i, row) for i, row in enumerate(document["tokens"])),
        words=tuple(_read_word(row) for row in document["words"]),
        visual_reliance=_read_reliance(document["words"]),
        verification=_read_verification(document.get(VERIFICATION)),
        settings=document["settings"],
        versions=document["versions"],
        timings=document["timings_seconds"],
        warnings=tuple(document["warnings"]),
        calibration=read_calibration(document.get("calibration")),
        text_scores=text_scores,
    )


def _input(explained: ExplainedInput) -> dict[str, Any]:
    """Return the source file, the frames and the layout of an input as JSON values."""
    layout = explained.layout
    view = layout.view
    return {
        "video": {
            name: str(value) if isinstance(value, Path | Fraction) else value
            for name, value in asdict(explained.info).items()
        },
        "fingerprint": explained.fingerprint,
        "grid": {
            "t": layout.t,
            "h": layout.h,
            "w": layout.w,
            "frame_slots": layout.frame_slots,
            "view": [view.left, view.top, view.right, view.bottom],
            "deduplicated": layout.deduplicated,
        },
        "frames": {
            "indices": explained.indices.tolist(),
            "pts_seconds": explained.pts_seconds.tolist(),
            "slot_seconds": layout.slot_seconds(explained.pts_seconds).tolist(),
        },
        **({_MASKED: explained.num_masked} if explained.num_masked else {}),
    }


def _read_input(row: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> ExplainedInput:
    grid, frames = row["grid"], row["frames"]
    layout = VisualLayout(
        grid["t"],
        grid["h"],
        grid["w"],
        tuple(tuple(slot) for slot in grid["frame_slots"]),
        View(*grid.get("view", ())),
        tuple(grid.get("deduplicated", grid.get("borrowed", ()))),
    )
    return ExplainedInput(
        _read_video(row["video"]),
        np.array(frames["indices"], np.int64),
        np.array(frames["pts_seconds"], np.float64),
        layout,
        fingerprint=row.get("fingerprint"),
        num_masked=row.get(_MASKED, 0),
        **arrays,
    )


def calibration_row(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return a calibration as JSON values, as `read_calibration` reads them."""
    return None if calibration is None else asdict(calibration)


def read_calibration(row: Mapping[str, Any] | None) -> Calibration | None:
    """Read the field `calibration` of a document; None where there is none.

    Raises:
        KeyError: a field is missing.
    """
    if row is None:
        return None
    values = {name: row[name] for name in ("profile", "verdict", "sentence")}
    return Calibration(**values, layers=tuple(row["layers"]), options=row["options"])


def _read_video(row: Mapping[str, Any]) -> VideoInfo:
    kinds = {item.name: item.type for item in fields(VideoInfo)}
    parse: dict[Any, Callable[[str], Any]] = {"Path": Path, "Fraction": Fraction}
    return VideoInfo(**{k: parse[kinds[k]](v) if kinds[k] in parse else v for k, v in row.items()})


def _read_token(index: int, row: Mapping[str, Any]) -> Token:
    values = {name: row[name] for name in Token.__slots__}
    candidates = tuple(Candidate(**each) for each in row["candidates"])
    return Token(**{**values, "index": index, "candidates": candidates})


def _words(explanation: Explanation) -> list[dict[str, Any]]:
    """Return the words as JSON values, with the visual reliance of each word if it was measured."""
    rows = [asdict(word) for word in explanation.words]
    if explanation.visual_reliance is not None:
        for row, share in zip(rows, explanation.visual_reliance.tolist(), strict=True):
            row[RELIANCE] = None if math.isnan(share) else round(share, 4)
    return rows


def _read_word(row: Mapping[str, Any]) -> Word:
    values = {name: row[name] for name in Word.__slots__}
    return Word(**{**values, "token_indices": tuple(row["token_indices"])})


def _read_reliance(rows: Sequence[Mapping[str, Any]]) -> FloatArray | None:
    """Return the visual reliance per word as float32, or None if it was not measured."""
    if not rows or not all(RELIANCE in row for row in rows):
        return None
    return np.array([math.nan if row[RELIANCE] is None else row[RELIANCE] for row in rows], "f4")


def _read_verification(row: Mapping[str, Any] | None) -> Verification | None:
    """Return the causal check, or None if the run was not checked."""
    if row is None:
        return None
    words = tuple(
        WordVerification(
            each["word"],
            each["input"],
            each["probability"],
            each["hidden"],
            tuple(each["controls"]),
        )
        for each in row["words"]
    )
    return Verification(words, row["num_passes"], row["seed"], tuple(row["warnings"]))
