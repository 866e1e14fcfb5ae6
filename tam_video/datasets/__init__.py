"""Shape worlds: synthetic clips of coloured shapes with exact ground truth."""
