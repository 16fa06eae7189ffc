//! Builders of graphs from diffusers configs: text encoder, UNet, autoencoder.
