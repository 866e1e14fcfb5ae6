import numpy as np
from constructed import make_explanation, moving_maps
from lxml import etree

from tam_video.export.exporting import export_explanation


def test_time_slots_are_sorted_and_every_reference_is_valid(tmp_path):
    maps = np.concatenate([moving_maps(1)[:, ::-1], moving_maps(1)])
    export_explanation(make_explanation(maps), ["elan"], tmp_path, keep="all")
    root = etree.parse(tmp_path / "words.eaf").getroot()
    tags = [child.tag for child in root]
    assert tags == ["HEADER", "TIME_ORDER", "TIER", "TIER", "LINGUISTIC_TYPE"]
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root[1]}
    assert list(slots.values()) == sorted(slots.values())
    notes = root.findall(".//ALIGNABLE_ANNOTATION")
    assert len({note.get("ANNOTATION_ID") for note in notes}) == len(notes) == 4
    for note in notes:
        assert slots[note.get("TIME_SLOT_REF1")] < slots[note.get("TIME_SLOT_REF2")]
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iterfind("TIER")} == {
        root[-1].get("LINGUISTIC_TYPE_ID")
    }


def test_the_media_address_holds_no_markup(tmp_path):
    export_explanation(make_explanation(moving_maps()), ["elan"], tmp_path)
    media = etree.parse(tmp_path / "words.eaf").find(".//MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL") == "file:///nowhere/the%20clip.mp4"
    assert media.get("RELATIVE_MEDIA_URL") == "./the%20clip.mp4"
    assert media.get("MIME_TYPE") == "video/mp4"
