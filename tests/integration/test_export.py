"""From a clip to files of other tools, with the embedded model."""

from __future__ import annotations

import numpy as np
import pytest
from export_readers import READERS

import tam_video
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.export import EXPORTERS
from tam_video.types import Explanation

NAMES = sorted(EXPORTERS.targets)


@pytest.fixture(scope="module")
def clip() -> SceneClip:
    return make_world("base", 9000)


@pytest.fixture(scope="module")
def run(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    path = folder / "clip.mp4"
    write_scene(clip, path)
    return tam_video.explain(path, "Describe the video.").save(folder / "run")


@pytest.fixture(scope="module")
def exported(run):
    done = tam_video.export_run(run, NAMES)
    assert done.warnings == ()
    return done


@pytest.mark.parametrize("name", NAMES)
def test_every_format_names_the_content_words(run, exported, name):
    explanation = Explanation.load(run)
    content_words = {word.text for word in explanation.words if word.is_content}
    assert {
        read.label for read in READERS[name](exported.out_dir, explanation.info)
    } == content_words


def test_boxes_lie_on_the_objects_that_the_words_name(clip, run, exported):
    explanation = Explanation.load(run)
    shapes = {item.shape: place for place, item in enumerate(clip.objects)}
    overlaps = []
    for read in READERS["coco"](exported.out_dir, explanation.info):
        if read.label not in shapes:
            continue
        for frame in explanation.indices.tolist():
            mask = clip.masks(frame)[shapes[read.label]]
            if mask.any():
                overlaps.append(overlap(read.boxes.get(frame, (0, 0, 0, 0)), bounds(mask)))
    assert len(overlaps) == 25
    assert np.mean(overlaps) > 0.5


def bounds(mask):
    ys, xs = np.nonzero(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def overlap(one, two):
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    both = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return both / (sum(areas) - both)
