"""What the language model is asked, one file a task: its prompt, the form of its reply, and how that is read."""
