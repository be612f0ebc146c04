"""Each component's state: probed, recorded and summed up."""
