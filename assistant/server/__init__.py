"""The server: the assistant over HTTP, in the dialects that voice clients already speak.

    request --> routes/ --> wire/ reads it --> turns.py --> Session --> events
                                                                          |
    client <------------------ wire/ writes it <--------------------------+

`wire/` knows every format and nothing of HTTP; `routes/` are thin; `app.py` puts them together.
"""

from assistant.server.app import create_app

__all__ = ["create_app"]
