"""Level 4: what frozen embeddings know: clusters, neighbours, probes and few shots."""
