"""Level 4: neural recipes: the loop, its checkpoints, and what is made of a trained encoder."""
