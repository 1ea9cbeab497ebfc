"""How surprising what happens is under sampled futures, and when that is an alarm."""
