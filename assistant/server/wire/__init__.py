"""What goes over the wire: every request and answer format, and nothing of HTTP."""
