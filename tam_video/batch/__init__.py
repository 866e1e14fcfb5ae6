"""Explain many clips in a resumable batch, on one machine or on a Ray cluster.

```python
from tam_video import batch

if __name__ == "__main__":
    for result in batch.run("items.jsonl", "out", question="What happens?"):
        print(result.item.id, result.status, result.answer)
```
"""

from tam_video.batch.items import BatchItem, read_items
from tam_video.batch.runner import BatchOptions, BatchTask, ItemResult, run
from tam_video.batch.sources import SourcePolicy

__all__ = [
    "BatchItem",
    "BatchOptions",
    "BatchTask",
    "ItemResult",
    "SourcePolicy",
    "read_items",
    "run",
]
