"""Reference implementation of the method, one number at a time, from its description.

Run as a script, it writes the golden files of `tests/golden`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """Arguments of `token_activation_maps`."""

    scores: np.ndarray
    visual_positions: np.ndarray
    text_positions: np.ndarray
    token_strings: list[str]
    num_prompt_tokens: int
    grid: tuple[int, int, int]

    @property
    def arguments(self):
        return {name: value for name, value in vars(self).items() if name != "scores"}


def random_case(seed, *, grid=(2, 4, 5), num_prompt=3, num_answer=4, words=4, system=3):
    """A sequence as models lay it out: system, vision, prompt text, template, answer."""
    rng = np.random.default_rng(seed)
    num_cells, num_tokens = math.prod(grid), num_prompt + num_answer
    prompt_start = system + num_cells + 1
    predicted_from = prompt_start + num_prompt + 4
    text = [*range(prompt_start, prompt_start + num_prompt)]
    text += range(predicted_from, predicted_from + num_answer)
    length = predicted_from + num_answer + 1
    return Case(
        scores=(rng.normal(size=(length, num_tokens)) * 2 + 0.5).astype(np.float32),
        visual_positions=np.arange(system, system + num_cells),
        text_positions=np.array(text, dtype=np.int64),
        token_strings=[f"w{k}" for k in rng.integers(0, words, num_tokens)],
        num_prompt_tokens=num_prompt,
        grid=grid,
    )


def slow_relevance(scores, positions):
    return [
        [max(0.0, float(scores[position, m])) for position in positions]
        for m in range(scores.shape[1])
    ]


def slow_correction(raw, relevance, token_strings):
    corrected = []
    for m, own in enumerate(raw):
        context = [k for k in range(m) if token_strings[k] != token_strings[m]]
        total = sum(relevance[m][k] for k in context) + 1e-8
        interference = [
            sum(relevance[m][k] / total * raw[k][v] for k in context) for v in range(len(own))
        ]
        energy = sum(value * value for value in interference)
        overlap = sum(a * e for a, e in zip(own, interference, strict=True))
        scale = overlap / energy if energy > 0 else 0.0
        corrected.append([max(0.0, a - scale * e) for a, e in zip(own, interference, strict=True)])
    return corrected


def slow_scale(cells, texts):
    """Joint min-max; the cells alone come back. All equal: zeros."""
    low, high = min([*cells, *texts]), max([*cells, *texts])
    return [(value - low) / (high - low) if high > low else 0.0 for value in cells]


def slow_shared_text(m, relevance, num_prompt):
    return relevance[m][:num_prompt] if m < num_prompt else relevance[m][:m]


def reflected(index, length):
    """Place of `index` in 0..length-1 when the border mirrors without repeating its own value."""
    if length == 1:
        return 0
    index %= 2 * (length - 1)
    return index if index < length else 2 * (length - 1) - index


def slow_window(plane, row, column, size):
    border = size // 2
    return sorted(
        plane[reflected(row + dy, plane.shape[0]), reflected(column + dx, plane.shape[1])]
        for dy in range(-border, border + 1)
        for dx in range(-border, border + 1)
    )


def slow_weighted_mean(window):
    centre = len(window) // 2
    mean = math.fsum(map(float, window)) / len(window)
    variance = math.fsum((float(value) - mean) ** 2 for value in window) / len(window)
    if variance == 0:
        return float(window[centre])
    sigma = math.sqrt(variance) / mean
    weights = [math.exp(-((rank - centre) ** 2) / (2 * sigma**2)) for rank in range(len(window))]
    return math.fsum(w * float(v) for w, v in zip(weights, window, strict=True)) / math.fsum(
        weights
    )


def published_weighted_mean(window):
    """As the public code computes it, in the window's own precision: NaN where all are equal."""
    values = np.array(window)
    mean = values.mean()
    if not mean > 0:
        return 0.0
    ranks = np.arange(len(values)) - len(values) // 2
    with np.errstate(all="ignore"):
        weights = np.exp(-(ranks**2) / (2 * (values.std() / mean) ** 2))
        return (values * (weights / weights.sum())).sum()


def slow_filter(plane, *, size=3, weighted_mean=slow_weighted_mean):
    filtered = np.zeros_like(plane)
    for row in range(plane.shape[0]):
        for column in range(plane.shape[1]):
            filtered[row, column] = weighted_mean(slow_window(plane, row, column, size))
    return filtered


def slow_maps(case, *, weighted_mean=slow_weighted_mean):
    """raw [M, V], corrected [M, V], maps [M, t, h, w]; NaN where `weighted_mean` has it.

    A token with context is scaled and filtered in float64, one without in float32: in the public
    code the factor of the correction is a float64 number.
    """
    raw = slow_relevance(case.scores, case.visual_positions)
    relevance = slow_relevance(case.scores, case.text_positions)
    corrected = slow_correction(raw, relevance, case.token_strings)
    maps = []
    for m, cells in enumerate(corrected):
        texts = slow_shared_text(m, relevance, case.num_prompt_tokens)
        alone = all(string == case.token_strings[m] for string in case.token_strings[:m])
        precision = np.float32 if alone else np.float64
        scaled = slow_scale(
            [precision(cell) for cell in cells], [precision(text) for text in texts]
        )
        planes = np.array(scaled, dtype=precision).reshape(case.grid)
        maps.append([slow_filter(plane, weighted_mean=weighted_mean) for plane in planes])
    return np.array(raw), np.array(corrected), np.array(maps)


def golden_cases():
    """Two hard little cases: a video with zeros, constants and repeated strings, and an image."""
    video = random_case(11, grid=(3, 4, 7), num_prompt=4, num_answer=6, words=5)
    cells = video.visual_positions.reshape(video.grid)
    video.scores[cells[1].ravel(), 2] = (
        9.0  # a constant slot, the brightest, nothing like its context
    )
    video.scores[cells[1].ravel(), 1] = -1.0
    video.scores[video.text_positions[0], 2] = -1.0
    video.scores[cells.ravel(), 5] = -1.0  # a token that nothing speaks for
    video.scores[cells.ravel(), 0] = 2.0  # a constant map of the first prompt token
    video.scores[video.text_positions, 7] = -3.0  # a token without any relevant text
    image = random_case(12, grid=(1, 6, 1), num_prompt=1, num_answer=5, words=2, system=0)
    return {"tam_video": video, "tam_image": image}


def write_golden():
    for name, case in golden_cases().items():
        raw, corrected, maps = slow_maps(case, weighted_mean=published_weighted_mean)
        np.savez_compressed(
            GOLDEN / f"{name}.npz",
            **vars(case),
            raw=raw.astype(np.float32),
            corrected=corrected.astype(np.float32),
            maps_u8=(np.nan_to_num(maps) * 255).astype(np.uint8),
        )


if __name__ == "__main__":
    write_golden()
