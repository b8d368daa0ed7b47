"""Level 6: the command line. One file a command; each parses, calls one library function, and prints or writes."""
