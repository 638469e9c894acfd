"""Look at everything that a run needs on this machine, and say for each what is wrong and what to do about it."""
