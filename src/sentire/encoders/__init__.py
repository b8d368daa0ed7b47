"""Level 2: pre-trained encoders: finding them, checking them, loading them. Torch at the moment of loading only."""
