"""Perdure in use, one story a file."""
