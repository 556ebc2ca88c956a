"""Builder of the Viaduct appliance: cached overlay layers from a recipe. Standard library only."""
