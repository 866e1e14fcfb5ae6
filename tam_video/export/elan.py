"""Export to ELAN: a tier per word with an annotation per time span. The first frame is at 0 s.

Annotations in one ELAN tier can't overlap but words can, so each word has its own tier.

Source: ELAN annotation format 3.0.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from xml.etree import ElementTree

from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.text_files import Element, add, write_xml

_NO_DATE = "1970-01-01T00:00:00+00:00"  # required; constant for reproducible files
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_TYPE = "seen"


def _write(tracked: TrackedInput, folder: Path) -> None:
    ElementTree.register_namespace("xsi", _XSI)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "tam-video",
            "DATE": _NO_DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    _add_header(root, tracked)
    spans = [tracked.player_milliseconds(track) for track in tracked.tracks]
    moments = sorted({edge for each in spans for span in each for edge in span})
    order = add(root, "TIME_ORDER")
    for moment in moments:
        add(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{moment}", TIME_VALUE=moment)
    for track, label, own in zip(tracked.tracks, tracked.labels, spans, strict=True):
        name = f"{track.word_index} {label}"
        tier = add(root, "TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=name)
        for start, end in own:
            _add_annotation(tier, f"a{track.word_index}-{start}", label, start, end)
    add(
        root,
        "LINGUISTIC_TYPE",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID=_TYPE,
        TIME_ALIGNABLE="true",
    )
    write_xml(root, folder / "words.eaf")


def _add_header(root: Element, tracked: TrackedInput) -> None:
    path = tracked.info.path
    header = add(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    address = path.absolute().as_uri()
    add(
        header,
        "MEDIA_DESCRIPTOR",
        MEDIA_URL=address,
        MIME_TYPE=mimetypes.guess_type(path.name)[0] or "video/mp4",
        RELATIVE_MEDIA_URL=f"./{address.rpartition('/')[2]}",
    )


def _add_annotation(tier: Element, name: str, label: str, start: int, end: int) -> None:
    aligned = add(
        add(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        ANNOTATION_ID=name,
        TIME_SLOT_REF1=f"ts{start}",
        TIME_SLOT_REF2=f"ts{end}",
    )
    add(aligned, "ANNOTATION_VALUE", label)


ELAN = Exporter(
    name="elan",
    files=("words.eaf",),
    summary="ELAN: a tier per word, an annotation for each span of its track",
    index_base=None,
    write=_write,
)
