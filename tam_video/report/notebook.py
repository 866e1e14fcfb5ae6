"""Show the report of an explanation in a notebook, with a still picture for each slot.

The frame is sandboxed: its page can access neither the notebook nor the network.
"""

from __future__ import annotations

import html
from pathlib import Path

from tam_video.errors import TamVideoError
from tam_video.report.media import NO_MEDIA, Media, slot_stills
from tam_video.report.page import report_page
from tam_video.types import Explanation
from tam_video.video.source import check_source

_HEIGHT_PX = 760


def notebook_html(explanation: Explanation) -> str:
    """Return a report as HTML for a notebook: one `<iframe>` with all content embedded.

    Pictures are small stills, one for each slot, read from the source; if it can't be read, only
    the heat is shown.
    """
    media = [_stills(explanation.of_input(k)) for k in range(len(explanation.inputs))]
    page = report_page(explanation, media, is_embedded=True)
    text = html.escape(page.encoded().decode("utf-8"), quote=True)
    title = html.escape(f"{Path(explanation.info.path).name}: words and heat", quote=True)
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" width="100%" height="{_HEIGHT_PX}" '
        f'style="border:0;color-scheme:light dark" srcdoc="{text}"></iframe>'
    )


def _stills(explanation: Explanation) -> Media:
    try:
        return slot_stills(explanation, check_source(explanation.inputs[0]).path)
    except TamVideoError:
        return NO_MEDIA
