"""What the models of a finished run say of clips that no run has seen."""
