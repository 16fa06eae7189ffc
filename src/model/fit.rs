//! Whether the parts of a checkpoint work together.

use super::{AutoencoderConfig, ClassEmbedding, TextEncoderConfig, UNetConfig};
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use crate::weights::{ImageFormat, Preview};

/// What takes a prompt to a picture.
pub struct Parts<'a> {
    pub tokenizer: &'a Tokenizer,
    pub text_encoder: &'a TextEncoderConfig,
    pub unet: &'a UNetConfig,
    pub autoencoder: &'a AutoencoderConfig,
    pub image: &'a ImageFormat,
    pub preview: Option<&'a Preview>,
}

impl Parts<'_> {
    /// Checks that each part reads what the one before it gives (ids, text embeddings, latents, pixels), and that the UNet reads
    /// the prompt and nothing that a prompt does not give.
    ///
    /// Errors: [`Error::InvalidConfig`] names what does not fit; [`Error::UnsupportedConfig`] for a UNet of classes.
    pub fn check_fit(&self) -> Result<()> {
        let Self { tokenizer, text_encoder, unet, autoencoder, image, preview } = self;
        if tokenizer.vocab_size() > text_encoder.vocab_size {
            let message = format!(
                "vocab_size is {}, but the tokenizer gives ids below {}",
                text_encoder.vocab_size,
                tokenizer.vocab_size()
            );
            return Err(Error::InvalidConfig { component: "text_encoder".to_owned(), message });
        }
        let length = text_encoder.max_position_embeddings;
        require("tokenizer", "model_max_length", tokenizer.model_max_length(), length)?;
        require("unet", "cross_attention_dim", unet.cross_attention_dim, text_encoder.hidden_size)?;
        require_text_alone(unet)?;
        let latents = autoencoder.latent_channels();
        require("unet", "in_channels", unet.in_channels, latents)?;
        require("unet", "out_channels", unet.out_channels, latents)?;
        require("image", "channels", image.channels.count(), autoencoder.out_channels())?;
        match preview {
            Some(preview) => preview
                .weight
                .iter()
                .try_for_each(|row| require("preview", "the length of a row", row.len(), latents)),
            None => Ok(()),
        }
    }
}

fn require_text_alone(unet: &UNetConfig) -> Result<()> {
    if let Some(embedding) = &unet.class_embedding {
        let (field, value) = match embedding {
            ClassEmbedding::Table { classes } => ("num_class_embeds", classes.to_string()),
            ClassEmbedding::Timestep => ("class_embed_type", "timestep".to_owned()),
            ClassEmbedding::Identity => ("class_embed_type", "identity".to_owned()),
            ClassEmbedding::Projection { .. } => ("class_embed_type", "projection".to_owned()),
            ClassEmbedding::SimpleProjection { .. } => ("class_embed_type", "simple_projection".to_owned()),
        };
        let (component, accepted) = ("unet".to_owned(), "null: a prompt names no class".to_owned());
        return Err(Error::UnsupportedConfig { component, field: field.to_owned(), value, accepted });
    }
    if !unet.has_cross_attention() {
        let message = "no block has cross-attention, so it cannot read a prompt".to_owned();
        return Err(Error::InvalidConfig { component: "unet".to_owned(), message });
    }
    Ok(())
}

fn require(component: &str, field: &str, value: usize, expected: usize) -> Result<()> {
    if value == expected {
        return Ok(());
    }
    let message = format!("{field} is {value}, but the other parts imply {expected}");
    Err(Error::InvalidConfig { component: component.to_owned(), message })
}
