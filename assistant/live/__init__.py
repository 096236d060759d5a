"""Live conversation: hears when a turn is over, answers at once, and stops when interrupted."""
