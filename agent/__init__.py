"""The program that runs commands in a warm container: its source, and how it is built."""
