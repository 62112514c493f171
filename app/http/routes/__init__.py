"""The endpoints: a module for each family, each thin: parse, call, answer."""
