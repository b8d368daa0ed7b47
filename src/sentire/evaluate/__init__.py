"""Level 4: what a model is worth. Results with intervals and provenance as files, and the comparison of two of them."""
