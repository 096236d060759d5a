"""/v1/realtime: live conversations over a WebSocket, in the protocol of OpenAI's Realtime API.

socket -> Commands -> LiveConversation -> ServerEventWriter -> socket
             |               |
           Items          Session         kept while a lost client comes back (parking.py)
"""
