"""Files that bring SpotLab to other machines."""
