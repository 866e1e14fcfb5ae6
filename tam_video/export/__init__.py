"""Results as files: arrays, documents, run folders."""
