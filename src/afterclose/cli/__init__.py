"""The command line, thin: read flags, call one act, say what was written and what to do next."""
