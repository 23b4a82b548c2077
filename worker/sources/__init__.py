"""Sources: reads the keys that a manifest's entries stand for, from listings, lists and tables."""
