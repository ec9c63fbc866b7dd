"""One file for each step: ``rNNNN_what.py``; a step is never changed once it was landed."""
