"""Servers on this machine that speak what the real ones do."""
