"""The tests here talk to servers."""

from tests.support.server_fixtures import hold, serve

__all__ = ["hold", "serve"]
