"""The HTML report: one self-contained page that opens offline."""
