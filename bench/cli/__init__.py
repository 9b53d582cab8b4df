"""Commands: parse, call `bench.api`, print. Each imports what it needs when called: --help is fast."""
