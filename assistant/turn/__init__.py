"""The turn loop: one turn of a conversation, its tool rounds, latency and truncation."""
