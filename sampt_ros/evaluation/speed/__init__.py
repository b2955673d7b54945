"""How fast tracking is: alone, beside other programs, and compared with another time, preset or version."""
