"""Files and folders of resumable jobs: atomic writes, append-only logs and locks."""
