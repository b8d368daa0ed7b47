"""Level 2: from texts to probabilities with numpy alone. No torch, no scikit-learn, no network."""
