"""Commands: parse, call, print. Each imports what it needs when it is called, so that --help is at once."""
