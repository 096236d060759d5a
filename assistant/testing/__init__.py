"""Doubles for tests of tools and of programs that use the assistant. Public, and kept stable."""
