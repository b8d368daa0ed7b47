"""Level 2: corpora. Cards that say what a corpus is, loaders that read it, checks that look for its defects."""
