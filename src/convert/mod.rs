//! A diffusers folder to manifest and shards (native).
