"""Conversations that the server keeps.

keeper.py       which are in memory, and whose they are
kept.py         one conversation: its turns, one at a time, each saved when it ends
store.py        what a store must do       sqlite.py    the one that comes with the project
serialize.py    messages as JSON and FLAC
"""
