"""Conversations that the server stores: /v1/sessions.

manager        the sessions in memory, and their owners
live_session   one conversation: its turns, one at a time, each stored when it ends
store          the protocol of a store           sqlite   the store that is included
serialize      messages as JSON and FLAC
"""
