"""What is known of each row."""
