"""Who may ask, what for, how often and how much."""
