"""Level 2: who is positive for whom, and which examples meet in a batch; numpy alone."""
