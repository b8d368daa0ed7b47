"""Level 6: rare labels made richer, under rules that are counted, and an honest look at whether it helped."""
