"""Compute log-probabilities of a given answer while the source pixels of some cells are hidden."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tam_video.models.capture import find_decoder, record_states
from tam_video.models.forcing import ForcedAnswer, ForcedInputs
from tam_video.models.masking import Blank, blank_frames, hide_cells
from tam_video.stages import StepProgress
from tam_video.types import ByteArray, Float64Array

logger = logging.getLogger(__name__)

# A stack of videos is used if its last one scores as it does alone, up to the kernels' rounding.
STACK_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
COARSE_TOLERANCE = 0.1


class MaskedScoring(ForcedAnswer):
    """A `ForcedAnswer` that can compute log-probabilities while cells of the video are hidden."""

    _stacks: bool | None = None
    """Whether the family's inputs can be stacked; None before the first attempt."""

    @cached_property
    def _blanks(self) -> dict[tuple[int, Blank], ByteArray]:
        return {}

    def score_masked(
        self,
        keep: NDArray[np.bool_],
        *,
        number: int = 0,
        blank: Blank = "mean",
        batch_size: int = 8,
        progress: StepProgress | None = None,
    ) -> Float64Array:
        """Compute the log-probability of each answer token while cells of the video are hidden.

        The source pixels of the cells that are not kept are replaced before the processor runs.
        Masked videos are passed together if the family's inputs can be stacked, which is tested
        once by comparison; otherwise one by one.

        Args:
            keep: bool [B, t, h, w], True for the cells that show the video.
            number: the vision input that is masked.
            blank: content of hidden cells, see `masking.blank_frames`.
            batch_size: masked videos that are passed together.
            progress: called after every batch.

        Returns:
            float64 [B, J], natural logarithms. B passes are added to `cost`.
        """
        layout = self._layout(number)
        if keep.dtype != np.bool_ or keep.shape[1:] != layout.shape:
            raise ValueError(f"'keep' must be bool [B,t,h,w], not {keep.dtype}{list(keep.shape)}")
        if batch_size < 1:
            raise ValueError(f"'batch_size' must be 1 or more, not {batch_size}")
        batch = self.batches[number]
        if (number, blank) not in self._blanks:
            self._blanks[number, blank] = blank_frames(batch.frames, blank)
        blanks = self._blanks[number, blank]

        def masked(mask: NDArray[np.bool_]) -> ForcedInputs:
            shown = list(self.batches)
            frames = hide_cells(batch.frames, layout, mask, blank=blanks)
            shown[number] = replace(batch, frames=frames)
            return self._with_answer(*self._encode(shown, self.generation.conversation))

        scores = np.empty((len(keep), len(self._answer)))
        with self._running():
            for start in range(0, len(keep), batch_size):
                part = slice(start, start + batch_size)
                videos = [masked(mask) for mask in keep[part]]
                scores[part] = self._score(videos)
                self._forward += len(videos)
                if progress is not None:
                    progress(start + len(videos), len(keep))
        return scores

    def _score(self, videos: list[ForcedInputs]) -> Float64Array:
        """Compute the log-probabilities of J tokens for each of B videos: float64 [B, J]."""
        stacked = None if len(videos) == 1 or self._stacks is False else _stacked(videos)
        if stacked is None:
            return np.stack([self._passed(video.inputs, [video])[0] for video in videos])
        if self._stacks:
            return self._passed(stacked, videos)
        return self._try_stack(stacked, videos)

    def _try_stack(self, stacked: dict[str, Any], videos: list[ForcedInputs]) -> Float64Array:
        """Try one pass for all videos. If it fails or is inexact, pass the videos one by one."""
        import torch

        alone = self._passed(videos[-1].inputs, videos[-1:])[0]
        self._forward += 1
        tolerance = STACK_TOLERANCE.get(self.model.dtype, COARSE_TOLERANCE)
        try:
            together = self._passed(stacked, videos)
            self._stacks = bool(np.allclose(together[-1], alone, rtol=0, atol=tolerance))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as exc:
            logger.debug("%s: a stack of videos failed: %s", self.model.name, exc)
            self._stacks = False
        if self._stacks:
            return together
        logger.warning("%s can't take several videos at once: one by one", self.model.name)
        return self._score(videos)

    def _passed(self, inputs: Mapping[str, Any], videos: Sequence[ForcedInputs]) -> Float64Array:
        """Compute the log-probabilities of J tokens for B videos in one pass: float64 [B, J]."""
        with record_states(find_decoder(self._network), with_graph=True) as last:
            self._pass(inputs)
        if len(last[0]) != len(videos):
            raise ValueError(f"the model gave {len(last[0])} sequences for {len(videos)} videos")
        return np.stack(
            [
                self._log_probabilities(states[video.positions])
                for states, video in zip(last[0], videos, strict=True)
            ]
        )


def _stacked(videos: Sequence[ForcedInputs]) -> dict[str, Any] | None:
    """Return the model's arguments for several videos in one batch, or None if shapes differ."""
    import torch

    first = videos[0]
    if any(video.positions != first.positions for video in videos):
        return None
    joined: dict[str, Any] = {}
    for name, value in first.inputs.items():
        parts: list[Any] = [video.inputs.get(name) for video in videos]
        if isinstance(value, torch.Tensor):
            if any(getattr(part, "shape", None) != value.shape for part in parts):
                return None
            joined[name] = torch.cat(parts)
        elif isinstance(value, list):
            joined[name] = [item for part in parts for item in part]
        elif all(part == value for part in parts):
            joined[name] = value
        else:
            return None
    return joined
