"""What motion models are trained to lower."""
