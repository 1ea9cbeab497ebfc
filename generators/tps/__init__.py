"""Parts of the thin-plate-spline motion model, which `generators.backbones.tps` joins."""
