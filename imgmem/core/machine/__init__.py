"""What the machine gives: memory, threads, process-wide settings."""
