"""How the embedded model `tiny` is made; not part of the installed package."""
