"""From a config to a finished run: plan, lay out the data, run the cells, gather the records."""
