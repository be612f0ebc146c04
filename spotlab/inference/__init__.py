"""From a model artefact to a risk and its reasons. Inference floor: knows no feed, no store."""
