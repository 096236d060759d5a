"""Step-Audio 2 in process: hears, thinks, calls tools and emits speech tokens.

sound -> frontend -> encoder, adapter --+
messages -> prompt (ids) ---------------+-> language model -> ids -> parser -> text, calls
                                                               +-> vocoder -> speech
"""
