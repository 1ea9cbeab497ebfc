"""`flawcast browse`: a local page to look at samples, compare futures and mark what is no good."""
