"""Level 0: what every other unit speaks of. Errors, labels, records, configuration, seeds."""
