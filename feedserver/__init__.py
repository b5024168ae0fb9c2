"""feedserver: folders of article files in, standards-correct feeds out."""

__version__ = "0.1.0"
