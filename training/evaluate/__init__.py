"""The instruments: what the default model is judged by, from the shards that ship."""
