"""Make a Linux machine without Docker into one where the plugin runs for real. Standard library only."""
