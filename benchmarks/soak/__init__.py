"""`make soak`: the whole program for hours, with a shop's traffic, and whether anything grows."""
