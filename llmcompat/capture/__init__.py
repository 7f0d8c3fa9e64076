"""The recording proxy: passes an application's calls on byte for byte, and writes them down."""
