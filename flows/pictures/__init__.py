"""Still pictures of sets: contact sheets, curves, thumbnails."""
