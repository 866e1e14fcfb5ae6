"""Ready-made uses: thin recipes on the library's own calls, run from a TOML preset."""
