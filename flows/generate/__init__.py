"""The main job: request, plan, shards, sample sets, summary."""
