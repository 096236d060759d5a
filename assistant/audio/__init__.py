"""Audio: samples and voices, decoding, encoding, resampling, G.711 and the jitter buffer."""
