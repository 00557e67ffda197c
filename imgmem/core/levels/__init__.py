"""Arithmetic of pixel values."""
