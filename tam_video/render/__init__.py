"""Draw explanations on a video as heatmaps and captions, and write annotated clips."""
