"""Write the interactive HTML report of a run, and an HTML index page for many runs.

Needs neither torch nor transformers.
"""

from __future__ import annotations

from tam_video.report.index import find_runs, write_index
from tam_video.report.writing import write_report

__all__ = ["find_runs", "write_index", "write_report"]
