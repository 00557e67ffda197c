"""Images in object stores and on servers; needs the extra `remote` (obstore)."""
