"""An adapter for checkpoints whose config says `"model_type": "my_vl"`: one slot per frame.

Every frame becomes h x w visual tokens with the id `video_token_id`, all in one run; the processor
returns the grid as `video_grid_thw`. Frames are resized whole.
"""

import numpy as np

from tam_video.models import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import check_runs, slot_frames, split_counts
from tam_video.types import VisualLayout


def place(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the cells of each video in the prompt."""
    processor = checkpoint.processor.video_processor
    layouts = []
    grids = prompt.fields["video_grid_thw"].tolist()
    for (t, h, w), batch in zip(grids, prompt.inputs, strict=True):
        merge = processor.merge_size
        slots = slot_frames(len(batch.frames), temporal_patch_size=processor.temporal_patch_size)
        layouts.append(VisualLayout(t, h // merge, w // merge, slots))
    positions = np.flatnonzero(prompt.input_ids == checkpoint.model.config.video_token_id)
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind="video")
    for layout, part in zip(layouts, parts, strict=True):
        check_runs(part, [layout.num_cells], kind="video")
    return tuple(map(PlacedLayout, layouts, parts))


MY_VL = Family(
    model_type="my_vl",
    place=place,
    frames_per_slot="2",
    geometry="whole picture, resized",
    token_types=True,
)
