"""Where trades come from: the only rooms that know a network library."""
