"""The parts of `stats`: figures, findings, and the page that shows them."""
