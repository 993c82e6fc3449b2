"""Where an attempt stands, what is on record of it, what its end means and whether another one follows. Pure."""
