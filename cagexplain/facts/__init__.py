"""What happened in a trace, batch by batch: the ground that every question stands on."""
