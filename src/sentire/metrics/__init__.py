"""Level 2: measures of answers, in numpy alone. Arrays in, numbers and intervals out; no files, no models."""
