"""From a config to a finished run: plan, prepare the data, run the cells, collect the records."""
