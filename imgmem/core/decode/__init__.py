"""Decoding: the bytes of an image file to one row of pixels."""
