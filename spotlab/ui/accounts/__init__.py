"""AWS accounts: which there are, whether they work, adding and changing one. Screens floor."""
