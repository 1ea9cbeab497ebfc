"""Names of video features: a distance is called after the features that it was computed on."""

JEDI_FEATURES = "v-jepa vit-h/16, attentive probe"  # what makes a feature distance JEDi
FILTERED_FEATURES = "fixed random filters (frames and changes)"
