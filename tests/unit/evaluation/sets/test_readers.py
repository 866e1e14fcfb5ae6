"""Every public set: its items from a look-alike folder, and what is said of a wrong folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import lookalikes as make
import numpy as np
import pytest
from lookalikes import BUILDERS, clip_of, seed_of, shown_frames

from tam_video.errors import DatasetError, MissingDependencyError
from tam_video.evaluation.score import METRICS
from tam_video.evaluation.sets import ABOUT, SETS
from tam_video.evaluation.sets import masks as masks_module
from tam_video.evaluation.sets.base import Frames, SetQuery
from tam_video.evaluation.sets.truths import NamedTruth, ReferredTruth, SpanTruth, YesNoTruth

REFERRING = ["ref-davis", "ref-youtube-vos", "mevis", "revos", "reason-vos"]


@pytest.fixture(scope="module", autouse=True)
def words(tmp_path_factory):
    with make.nltk_words(tmp_path_factory.mktemp("nltk")):
        yield


def items_of(name, folder, subset=None):
    public = SETS.load(name)
    query = SetQuery(folder, subset or public.subsets[0], public.fps, public.question)
    return public.items(query)


def objects_of(seeds=make.SEEDS):
    return [(seed, item.name) for seed in seeds for item in clip_of(seed).objects]


@pytest.mark.parametrize("name", SETS.targets)
def test_every_set_is_described(name):
    public = SETS.load(name)
    assert public.name == name
    assert name in ABOUT
    assert set(public.default_metrics) <= set(public.metrics) <= set(METRICS)
    assert public.site in public.hint
    assert public.licence in public.hint
    assert all(line in public.hint for line in public.layout)


@pytest.mark.parametrize("name", SETS.targets)
def test_every_set_has_its_command_in_the_docs(name):
    page = Path(__file__).parents[4] / "docs" / "evaluate.md"
    assert f"$ tam-video evaluate {name} --data " in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SETS.targets)
@pytest.mark.parametrize("what", ["none", "empty", "file"])
def test_folder_that_is_not_the_set_is_an_error_with_the_site_of_the_set(name, what, tmp_path):
    folder = tmp_path / "data"
    if what == "empty":
        folder.mkdir()
    elif what == "file":
        folder.write_text("x")
    with pytest.raises(DatasetError) as caught:
        items_of(name, folder)
    assert str(folder) in caught.value.message
    assert SETS.load(name).site in caught.value.hint


@pytest.mark.parametrize("name", BUILDERS)
def test_names_of_items_are_unique_and_their_files_are_there(name, lookalikes):
    items = items_of(name, lookalikes.folder(name))
    assert len({item.name for item in items}) == len(items)
    for item in items:
        paths = item.visual.paths if isinstance(item.visual, Frames) else (item.visual,)
        assert all(path.is_file() for path in paths)


@pytest.mark.parametrize("name", REFERRING)
def test_expressions_point_at_the_pixels_of_their_object(name, lookalikes):
    items = [i for i in items_of(name, lookalikes.folder(name)) if "caf\u00e9" not in i.answer]
    entry = [(seed_of(item.source), item.answer.removeprefix("the ")) for item in items]
    assert sorted(entry) == sorted(objects_of())
    for item, (seed, phrase) in zip(items, entry, strict=True):
        assert isinstance(item.truth, ReferredTruth)
        clip = clip_of(seed)
        number = [each.name for each in clip.objects].index(phrase)
        for place, frame in enumerate(shown_frames(clip)):
            (mask,) = item.truth.masks.masks(place)
            expected = clip.masks(frame)[number]
            if expected.any():
                np.testing.assert_array_equal(mask, expected)
            else:
                assert not mask.any()


def test_davis_names_categories_of_all_objects(lookalikes):
    for item in items_of("davis", lookalikes.folder("davis")):
        clip = clip_of(seed_of(item.source))
        assert isinstance(item.truth, NamedTruth)
        assert item.truth.categories == tuple(each.shape for each in clip.objects)
        np.testing.assert_array_equal(item.truth.masks.masks(1), clip.masks(make.STEP))
        assert item.answer is None
        assert item.visual.fps == 24


def test_davis_falls_back_to_the_first_annotations(lookalikes, tmp_path, caplog):
    folder = shutil.copytree(lookalikes.folder("davis"), tmp_path / "davis")
    (folder / "Annotations_unsupervised").rename(folder / "Annotations")
    item = items_of("davis", folder)[0]
    assert "no Annotations_unsupervised" in caplog.text
    assert "Annotations/480p" in item.truth.masks.paths[0].as_posix()


def test_ref_davis_reads_every_annotator_in_its_encoding(lookalikes):
    items = items_of("ref-davis", lookalikes.folder("ref-davis"))
    assert "the caf\u00e9 shape" in [item.answer for item in items]
    assert len(items) == len(objects_of()) + 1


def test_ref_davis_is_read_in_the_form_of_youtube_vos(tmp_path):
    make.ref_youtube_vos(tmp_path, subset="valid")
    assert len(items_of("ref-davis", tmp_path)) == len(objects_of())


def test_text_annotations_of_another_form_are_reported(lookalikes, tmp_path):
    folder = shutil.copytree(lookalikes.folder("ref-davis"), tmp_path / "ref")
    file = folder / "davis_text_annotations" / "Davis17_annot1.txt"
    file.write_text('clip-3 one "the ring"\n')
    with pytest.raises(DatasetError, match="another form"):
        items_of("ref-davis", folder)


def test_subset_without_masks_is_an_error(tmp_path):
    document = make.expression_file(make.SEEDS)
    for video in document["videos"].values():
        for record in video["expressions"].values():
            del record["obj_id"]
    make.write_json(tmp_path / "meta_expressions/valid/meta_expressions.json", document)
    with pytest.raises(DatasetError) as caught:
        items_of("ref-youtube-vos", tmp_path, "valid")
    assert "--subsets" in caught.value.hint
    make.write_json(tmp_path / "valid/meta_expressions.json", make.expression_file(make.SEEDS))
    with pytest.raises(DatasetError, match="mask_dict") as caught:
        items_of("mevis", tmp_path, "valid")
    assert "--subsets" in caught.value.hint


def test_expressions_of_nothing_are_left_out(lookalikes):
    answers = [item.answer for item in items_of("revos", lookalikes.folder("revos"))]
    assert "a dog" not in answers


def test_refcoco_joins_sentences_images_and_masks(lookalikes):
    items = items_of("refcoco", lookalikes.folder("refcoco"))
    seen = [
        (seed, item.name)
        for seed in make.SEEDS
        for item, mask in zip(clip_of(seed).objects, clip_of(seed).masks(0), strict=True)
        if mask.any()
    ]
    assert [(seed_of(item.source), item.answer) for item in items] == seen
    for item, (seed, phrase) in zip(items, seen, strict=True):
        number = [each.name for each in clip_of(seed).objects].index(phrase)
        np.testing.assert_array_equal(item.truth.masks.masks(0)[0], clip_of(seed).masks(0)[number])


def test_refcoco_reads_one_image_a_sentence(lookalikes, tmp_path):
    folder = shutil.copytree(lookalikes.folder("refcoco"), tmp_path / "refcoco")
    instances = json.loads((folder / "instances.json").read_text())
    images = {image["id"]: image for image in instances["images"]}
    converted = {"images": [], "annotations": []}
    for number, shape in enumerate(instances["annotations"], start=1):
        image = {**images[shape["image_id"]], "id": number, "caption": make.name_of(shape)}
        converted["images"].append(image)
        converted["annotations"].append({**shape, "id": number, "image_id": number})
    expected = items_of("refcoco", folder)
    (folder / "refs(unc).json").unlink()
    make.write_json(folder / "instances_refcoco_val.json", converted)
    result = items_of("refcoco", folder)
    assert [item.answer for item in result] == [item.answer for item in expected]
    assert [item.visual for item in result] == [item.visual for item in expected]
    assert result[0].truth.masks.masks(0).sum() == expected[0].truth.masks.masks(0).sum()


def test_pickle_is_never_read(lookalikes, tmp_path):
    folder = shutil.copytree(lookalikes.folder("refcoco"), tmp_path / "refcoco")
    (folder / "refs(unc).json").rename(folder / "refs(unc).p")
    with pytest.raises(DatasetError, match="pickle") as caught:
        items_of("refcoco", folder)
    assert "can run code" in caught.value.hint


def test_missing_package_is_an_error_when_polygons_are_listed(lookalikes, tmp_path, monkeypatch):
    folder = shutil.copytree(lookalikes.folder("refcoco"), tmp_path / "refcoco")
    square = [[1.0, 1.0, 60.0, 1.0, 60.0, 50.0, 1.0, 50.0]]
    break_json(folder / "instances.json", lambda d: d["annotations"][0].update(segmentation=square))
    assert items_of("refcoco", folder)[0].truth.masks.masks(0)[0, 20, 20]
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    masks_module.coco_masks.cache_clear()
    with pytest.raises(MissingDependencyError) as caught:
        items_of("refcoco", folder)
    assert "tam-video[sets]" in caught.value.hint


def test_nextgqa_joins_questions_and_spans(lookalikes):
    items = items_of("nextgqa", lookalikes.folder("nextgqa"))
    assert [item.name for item in items] == ["3/7", "5/7"]
    assert items[0].question == "when is the yellow ring visible?"
    assert items[0].answer == "the yellow ring"
    assert isinstance(items[0].truth, SpanTruth)
    assert items[0].truth.spans == ((0.0, 26 / 12),)
    assert items[0].visual.as_posix().endswith("NExTVideo/01/3.mp4")


def test_nextgqa_answers_by_number_are_looked_up(lookalikes, tmp_path):
    folder = shutil.copytree(lookalikes.folder("nextgqa"), tmp_path / "gqa")
    (folder / "val.csv").write_text(
        "video,question,answer,qid,a0,a1\n3,what is it,1,7,a dog,a ring\n", encoding="utf-8"
    )
    (item,) = items_of("nextgqa", folder)
    assert item.answer == "a ring"


def test_pope_has_yes_and_no_labels(lookalikes, tmp_path):
    items = items_of("repope", lookalikes.folder("repope"))
    assert [item.truth for item in items] == [YesNoTruth(True), YesNoTruth(False)] * 2
    assert items[0].question == "Is there an orange triangle?"
    make.pope(tmp_path, stem="coco_pope")
    assert len(items_of("pope", tmp_path)) == len(items)


def test_captioned_images_are_items(lookalikes):
    items = items_of("coco-captions", lookalikes.folder("coco-captions"))
    assert [item.name for item in items] == ["3", "5"]


def test_tam_sets_tell_categories_and_label_pictures(lookalikes):
    for name, builder in (("tam-coco14", "tam-coco14"), ("tam-openpsg", "tam-grandf")):
        items = items_of(name, lookalikes.folder(builder))
        assert len(items) == 2
        for item in items:
            assert item.truth.categories == tuple(make.CATEGORY_IDS.items())
            assert item.truth.labels.is_file()


def break_json(file: Path, change) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("davis", "davis_semantics.json"),
        ("ref-youtube-vos", "meta_expressions/train/meta_expressions.json"),
        ("mevis", "valid_u/meta_expressions.json"),
        ("revos", "meta_expressions_valid_.json"),
        ("reason-vos", "meta_expressions.json"),
        ("refcoco", "instances.json"),
        ("refcoco", "refs(unc).json"),
        ("nextgqa", "gsub_val.json"),
        ("repope", "annotations/coco_repope_random.json"),
        ("coco-captions", "annotations/captions_val2014.json"),
        ("tam-coco14", "annotations/instances_minival2014.json"),
        ("tam-grandf", "anno.json"),
    ],
)
@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[1]", '{"videos": 3}', "null", '{"a": 1}']
)
def test_damaged_annotations_are_a_typed_error(name, file, text, lookalikes, tmp_path):
    folder = shutil.copytree(lookalikes.folder(name), tmp_path / "set", copy_function=os.link)
    (folder / file).unlink()
    (folder / file).write_text(text)
    with pytest.raises(DatasetError) as caught:
        items_of(name, folder)
    assert caught.value.hint


@pytest.mark.parametrize("bad", ["../../secret", "/etc", "a/../../b", "x\0y", ""])
def test_no_name_leads_out_of_the_folder(bad, lookalikes, tmp_path):
    cases = {
        "mevis": ("valid_u/meta_expressions.json", lambda d: rename_video(d, bad)),
        "reason-vos": ("meta_expressions.json", lambda d: rename_video(d, bad)),
        "tam-grandf": ("anno.json", lambda d: d[0].__setitem__(0, bad)),
        "coco-captions": (
            "annotations/captions_val2014.json",
            lambda d: d["images"][0].update(file_name=bad),
        ),
        "nextgqa": ("map_vid_vidorID.json", lambda d: d.update({"3": bad + "/" if bad else bad})),
    }
    for name, (file, change) in cases.items():
        folder = tmp_path / name
        shutil.copytree(lookalikes.folder(name), folder)
        break_json(folder / file, change)
        try:
            items = items_of(name, folder)
        except DatasetError:
            continue
        for item in items:
            paths = item.visual.paths if isinstance(item.visual, Frames) else (item.visual,)
            assert all(path.resolve().is_relative_to(folder) for path in paths)


def rename_video(document, name):
    videos = document["videos"]
    videos[name] = videos.pop(next(iter(videos)))


def places(value, place=()):
    """Every place in a JSON document."""
    yield place
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from places(child, (*place, key))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("davis", "davis_semantics.json"),
        ("mevis", "valid_u/meta_expressions.json"),
        ("revos", "mask_dict.json"),
        ("refcoco", "instances.json"),
        ("refcoco", "refs(unc).json"),
        ("nextgqa", "gsub_val.json"),
    ],
)
def test_annotation_with_any_value_changed_is_read_or_a_typed_error(
    name, file, lookalikes, tmp_path
):
    folder = shutil.copytree(lookalikes.folder(name), tmp_path / "set", copy_function=os.link)
    text = (folder / file).read_text()
    (folder / file).unlink()
    known = list(places(json.loads(text)))[1:]
    rng = np.random.default_rng(0)
    values = (None, True, -1, 1e300, "", "../..", [], {}, [None], [[1, 2]])
    for _ in range(30):
        document = json.loads(text)
        *parents, last = known[rng.integers(len(known))]
        parent = document
        for key in parents:
            parent = parent[key]
        parent[last] = values[rng.integers(len(values))]
        (folder / file).write_text(json.dumps(document))
        masks_module._tracks.cache_clear()
        with contextlib.suppress(DatasetError):
            for item in items_of(name, folder)[:3]:
                if hasattr(item.truth, "masks"):
                    item.truth.masks.masks(0)
