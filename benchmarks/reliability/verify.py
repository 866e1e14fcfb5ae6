"""What must hold of a batch's folder, and whether two of them say the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tam_video.export.manifest import verify_run


def ledger_lines(out: Path) -> list[dict[str, Any]]:
    """The lines of all ledgers of a batch; a torn last line is no line."""
    result = []
    for path in sorted(out.glob("ledger*.jsonl")):
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        result += [json.loads(line) for line in whole.splitlines()]
    return result


def digest_of_run(run: Path) -> str:
    """SHA-256 over a run folder's files; of the explanation all but its times."""
    digest = hashlib.sha256()
    for path in sorted(run.iterdir()):
        if path.name == "manifest.json":
            continue
        data = path.read_bytes()
        if path.name == "explanation.json":
            record = json.loads(data)
            record.pop("timings_seconds")
            data = json.dumps(record, sort_keys=True).encode()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def check_batch(out: Path, *, count: int, calm: Path | None = None) -> dict[str, Any]:
    """Figures of a finished batch, and everything that is wrong with it.

    Args:
        out: the batch.
        count: items that it should have finished.
        calm: an undisturbed run of the same items.
    """
    lines = ledger_lines(out)
    keys = Counter(line["key"] for line in lines)
    runs = sorted(path for path in (out / "runs").iterdir())
    problems = []
    if len(lines) != count or set(keys.values()) != {1}:
        problems.append(f"{len(lines)} lines for {count} items, {keys.most_common(1)}")
    problems += [f"{line['id']}: {line['status']}" for line in lines if line["status"] != "done"]
    problems += [f"{run.name} is not whole" for run in runs if not verify_run(run)]
    if {run.name for run in runs} != {line.get("run") for line in lines}:
        problems.append("run folders and lines differ")
    if calm is not None:
        if sorted(map(repr, lines)) != sorted(map(repr, ledger_lines(calm))):
            problems.append("lines differ from the undisturbed run")
        for run in runs:
            if digest_of_run(run) != digest_of_run(calm / "runs" / run.name):
                problems.append(f"{run.name} differs from the undisturbed run")
    return {"lines": len(lines), "runs": len(runs), "problems": problems}
