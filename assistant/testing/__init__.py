"""Doubles for tests of tools and of programs that use the assistant. Public, and kept stable."""

from assistant.testing.scripted import ScriptedEngine

__all__ = ["ScriptedEngine"]
