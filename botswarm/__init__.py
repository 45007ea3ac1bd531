"""A load generator of real players: real sockets, real tokens, the real protocol."""
