"""Level 4: emotional utterances written by a language model for the characters of stories, with and without context."""
