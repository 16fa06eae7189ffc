//! Pictures on the host: latents and network outputs to RGBA8, and PNG.
