"""Level 6: the experiments of the representation papers, whole: from the pre-trained encoder to the tables."""
