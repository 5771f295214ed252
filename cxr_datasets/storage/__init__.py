"""Bytes, wherever they are: addresses, file systems, logins, retries, reading ahead."""
