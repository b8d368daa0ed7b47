"""Level 3: encoders that turn texts into vectors: loaded, saved, used to embed and to search."""
