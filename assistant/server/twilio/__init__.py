"""Calls by telephone, through Twilio Media Streams.

    POST /twilio/voice    "somebody calls": answered with the address of the socket and a token
    WS   /twilio/media    the call itself, which shows the token

Wire facts are in frames.py; a call is in call.py.
"""
