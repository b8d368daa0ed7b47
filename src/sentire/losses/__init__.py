"""Level 2: losses, one a file: a pure function of tensors and a thin module that stores its settings."""
