"""Live conversations: they detect when a user turn is over, respond at once, and stop if
interrupted.
"""
