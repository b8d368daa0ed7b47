"""Level 1: files only. Streams of rows in and out, atomic writes, manifests with hashes."""
