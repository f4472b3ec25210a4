"""What all algorithms share: settings, play, memories, networks that learn, and the run loop."""
