"""Run commands in a container through its first process, which is a program of ours (``agent/agent.c`` of the sources)."""
