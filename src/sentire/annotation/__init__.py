"""Level 3: people's judgement of data and models: samples, a page to judge them on, and how far people agree."""
