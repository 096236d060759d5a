"""Telephone calls, through Twilio Media Streams.

    POST /twilio/voice    Twilio announces a call, and gets the WebSocket's address and a token
    WS   /twilio/media    the call itself, which presents the token

The messages are in frames.py; a call is in call.py.
"""
