"""Files and folders of work that can be resumed: atomic files, append-only logs, locks."""
