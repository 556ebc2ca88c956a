"""What the lab does on the machine it runs on: commands, processes, locks."""
