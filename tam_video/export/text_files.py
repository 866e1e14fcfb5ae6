"""Write JSON and XML files as UTF-8 with a final line break.

A file name need not be valid UTF-8: lone surrogates, which represent other bytes in Python, are
written as JSON escapes, so that reading gives the same name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

Element = ElementTree.Element


def write_json(document: Any, path: Path, *, indent: int | None = 1) -> None:
    """Write a JSON document. NaN and infinite values raise a ValueError.

    Args:
        document: plain values.
        path: the file.
        indent: spaces per level; None for one line, for long documents.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(
        document, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
    )
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def add(parent: Element, tag: str, text: str = "", **attributes: object) -> Element:
    """Append a child to an XML element. Attribute values are converted to text.

    Args:
        parent: the element.
        tag: tag of the child.
        text: text of the child; must not contain control characters, nor must attributes.
        attributes: by name.
    """
    child = ElementTree.SubElement(parent, tag, {k: str(v) for k, v in attributes.items()})
    child.text = text or None
    return child


def write_xml(root: Element, path: Path) -> None:
    """Write an indented XML document."""
    ElementTree.indent(root)
    path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
