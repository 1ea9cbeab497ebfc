"""Names of video features; a distance has the name of its features."""

JEDI_FEATURES = "v-jepa vit-h/16, attentive probe"  # what makes a feature distance JEDi
FILTERED_FEATURES = "fixed random filters (frames and changes)"
