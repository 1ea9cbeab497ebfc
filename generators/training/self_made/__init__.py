"""Self-made pairs: parts pasted on plates at poses that are known, to adapt a detector with."""
