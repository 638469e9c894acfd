"""Nothing is left behind, however a run ends: real runs, ended in every way at every moment; an environment of its own."""
