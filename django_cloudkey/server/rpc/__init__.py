"""Calls: parse, authenticate, look up, validate, carry out, answer."""
