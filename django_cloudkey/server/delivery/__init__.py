"""Signed address in, bytes out: who asks, whether he may, and what he gets."""
