"""Level 3: what people feel. Answers to texts and files, and the summary of a file."""
