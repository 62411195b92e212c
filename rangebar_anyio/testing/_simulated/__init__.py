"""The simulated exchange: a sans-IO state machine, an ASGI shell, and a relay that makes the network bad."""
