"""Explanations drawn on the video: heat, captions, annotated clips. Arrays in, files out."""
