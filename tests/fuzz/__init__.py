"""Every kind of file that is read, flipped, cut and locked at random."""
