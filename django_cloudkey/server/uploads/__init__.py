"""Bytes on their way in: a call opens a slot, one POST fills it, another call uses it."""
