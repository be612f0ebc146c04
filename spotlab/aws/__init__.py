"""Everything that talks to AWS. Adapters floor: knows no store and no screen."""
