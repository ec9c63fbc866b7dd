"""One package per outside system. They know the domain and the ports, and never each other."""
