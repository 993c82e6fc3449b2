"""Where a job goes from here: begin, go on, hold, end, and what is left of it. Pure."""
