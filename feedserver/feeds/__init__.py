"""From a listing to a representation: selects, renders, caches and dates feed documents."""
