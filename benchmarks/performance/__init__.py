"""Ratios that tell how close to free an explanation is; `python -m benchmarks.run` prints them.

One module for each subject. A module has functions `measure(quick: bool) -> Measurement`; `RATIOS`
and `STAGES` name them as "module:function" of this package, so that one runs without the others'
imports.
"""

from __future__ import annotations

RATIOS = {
    "tam_stage_speedup": "tam_stage:speedup",
    "tam_stage_memory": "tam_stage:memory",
    "explain_over_generate": "explaining:over_generate",
    "explain_over_long_generate": "explaining:over_long_generate",
    "explain_memory": "explaining:memory",
    "explain_linearity": "stages:growth",
    "render_vs_transcode": "render:over_transcode",
    "render_vs_moviepy": "render:over_moviepy",
    "render_memory_growth": "render:memory",
    "sampling_gop30": "decode:sampling_gop30",
    "sampling_gop250": "decode:sampling_gop250",
    "frame_size_memory": "decode:frame_size_memory",
    "cold_explain": "startup:cold_explain",
    "help_seconds": "startup:help_seconds",
    "batch_two_workers": "batch:two_workers",
}

# Tables of costs, without a target.
STAGES = {"stage_costs": "stages:costs"}
