//! Builders of graphs from diffusers' own configs: text encoder, UNet, autoencoder.
//!
//! Each network has a config, read from the `config.json` that diffusers or transformers wrote, and functions
//! from that config and a request (batch, size, which optional inputs and outputs) to a
//! [`Graph`](crate::graph::Graph). Parameters carry the names that diffusers gives them, so a checkpoint's
//! tensors need no table of translations; [`current_parameter_name`] knows what older versions called them.
//!
//! No field of a config is ignored in silence. It is used, or it cannot change an evaluation (dropout, initial
//! values), or it has the one value for which this code is right; anything else is
//! [`Error::UnsupportedConfig`](crate::Error::UnsupportedConfig).
//!
//! Letters in the docs of shapes: `B` batch, `H W` pixels, `h w` latents, `C` channels, `L` tokens, `D` width of
//! the text embeddings, `T` width of the time embedding.

mod attention;
mod autoencoder;
mod autoencoder_kl;
mod autoencoder_tiny;
mod fields;
mod fit;
mod layers;
mod parameter_names;
mod resample;
mod resnet;
mod text_encoder;
mod transformer;
mod unet;

/// Most latents along a side of a picture.
pub const MAX_LATENT_SIDE: usize = 1024;

pub use autoencoder::{AutoencoderConfig, AutoencoderRequest, decoder, encoder};
pub use autoencoder_kl::AutoencoderKlConfig;
pub use autoencoder_tiny::AutoencoderTinyConfig;
pub use fit::Parts;
pub use parameter_names::current_parameter_name;
pub use text_encoder::{TextEncoderConfig, TextEncoderRequest, text_encoder};
pub use unet::{
    BlockType, ClassEmbedding, MidBlockType, SecondTextBranch, UNetConfig, UNetRequest, skip_shapes, unet,
};
