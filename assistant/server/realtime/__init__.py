"""Live conversations over WebSockets, in the protocol of OpenAI's Realtime API.

socket -> Commands -> LiveConversation -> ServerEventWriter -> socket
             |               |
           Items          Session         resumable after a lost connection (resumption.py)
"""
