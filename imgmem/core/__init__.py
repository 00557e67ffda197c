"""What imgmem does, without a terminal: nothing here prints or parses options."""
