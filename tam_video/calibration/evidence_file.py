"""Store the evidence of a calibration clip in a file, from which single layers can be read.

The file is an NPZ archive without pickle: one array per layer and mask, and the rest as JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from tam_video.calibration.evidence import ClipEvidence
from tam_video.evaluation.score import AnswerTruth, ObjectWord
from tam_video.tam.activation import SequenceLayout
from tam_video.tam.motion import GridFlow, SlotMotion
from tam_video.types import FloatArray, View, VisualLayout


@dataclass(frozen=True, slots=True)
class StoredScores(Sequence[FloatArray]):
    """The scores of all layers in a file, float32 [V + M, M] each. A layer is read when indexed.

    Attributes:
        path: a file of evidence.
        num_layers: number of layers in it.
    """

    path: Path
    num_layers: int

    def __len__(self) -> int:
        return self.num_layers

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FloatArray, ...]: ...
    def __getitem__(self, index: int | slice) -> FloatArray | tuple[FloatArray, ...]:
        """Read one layer, or several."""
        with np.load(self.path, allow_pickle=False) as arrays:
            if isinstance(index, slice):
                return tuple(arrays[_layer(n)] for n in range(self.num_layers)[index])
            layer: FloatArray = arrays[_layer(range(self.num_layers)[index])]
            return layer


def evidence_bytes(evidence: ClipEvidence) -> bytes:
    """Return the content of the file with a clip's evidence. Masks of pixels are not stored."""
    layout, truth = evidence.layout, evidence.truth
    document = {
        "world": evidence.world,
        "number": evidence.number,
        "num_layers": len(evidence.scores),
        "answers": evidence.answers,
        "token_strings": list(layout.token_strings),
        "num_prompt_tokens": layout.num_prompt_tokens,
        "layouts": [asdict(each) for each in layout.layouts],
        "objects": [
            {"token_indices": word.token_indices, "words": word.words} for word in truth.objects
        ],
        "function_words": truth.function_words,
        "frame_slots": truth.frame_slots,
        "explained": truth.explained,
    }
    arrays: dict[str, Any] = {
        "document": np.array(json.dumps(document)),
        "visual_positions": layout.visual_positions,
        "text_positions": layout.text_positions,
        "content": evidence.content,
        "forward": evidence.motion.flow.forward,
        "backward": evidence.motion.flow.backward,
        "in_picture": evidence.motion.flow.in_picture,
        "cuts": evidence.motion.cuts,
        "frame_indices": evidence.frame_indices,
    }
    arrays |= {_layer(number): table for number, table in enumerate(evidence.scores)}
    for number, word in enumerate(truth.objects):
        arrays |= {f"cells_{number}": word.cells, f"visible_{number}": word.visible}
    if evidence.sinks is not None:
        arrays["sinks"] = evidence.sinks
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_evidence(path: Path) -> ClipEvidence:
    """Read a clip's evidence from a file. The scores stay in the file.

    Raises:
        OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile: the file is missing or
            damaged.
    """
    with np.load(path, allow_pickle=False) as arrays:
        document = json.loads(str(arrays["document"]))
        return ClipEvidence(
            world=document["world"],
            number=document["number"],
            scores=StoredScores(path, document["num_layers"]),
            layout=SequenceLayout(
                arrays["visual_positions"],
                arrays["text_positions"],
                document["token_strings"],
                document["num_prompt_tokens"],
                [_visual_layout(each) for each in document["layouts"]],
            ),
            content=arrays["content"],
            motion=SlotMotion(
                GridFlow(arrays["forward"], arrays["backward"], arrays["in_picture"]),
                arrays["cuts"],
            ),
            truth=_truth(document, arrays),
            answers=tuple(document["answers"]),
            frame_indices=arrays["frame_indices"],
            sinks=arrays.get("sinks"),
        )


def _truth(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> AnswerTruth:
    explained = document["explained"]
    return AnswerTruth(
        objects=tuple(
            ObjectWord(
                tuple(word["token_indices"]),
                cells=arrays[f"cells_{number}"],
                pixels=np.zeros((0, 0, 0), np.bool_),
                visible=arrays[f"visible_{number}"],
                words=_nested(word["words"]),
            )
            for number, word in enumerate(document["objects"])
        ),
        function_words=_nested(document["function_words"]),
        frame_slots=_nested(document["frame_slots"]),
        explained=None if explained is None else _nested(explained),
    )


def _visual_layout(values: Mapping[str, Any]) -> VisualLayout:
    return VisualLayout(
        values["t"],
        values["h"],
        values["w"],
        frame_slots=_nested(values["frame_slots"]),
        view=View(**values["view"]),
        deduplicated=tuple(values["deduplicated"]),
    )


def _nested(values: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(each) for each in values)


def _layer(number: int) -> str:
    return f"scores_{number}"
