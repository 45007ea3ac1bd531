"""A client of the game server in Python."""
