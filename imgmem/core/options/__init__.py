"""The options of the commands: declared once, as the keywords of the public functions."""
