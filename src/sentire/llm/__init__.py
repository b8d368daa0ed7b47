"""Level 2: asking language models. Providers, budgets, limits, and calls that are never lost and never paid twice."""
