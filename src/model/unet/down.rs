//! DownBlock2D, AttnDownBlock2D and CrossAttnDownBlock2D: one level on the way down.
//!
//! ```text
//! layers_per_block times:  x = attention(resnet(x, time))     [B, h, w, C_level], kept as a skip connection
//! but at the last level:   x = downsample(x)                  [B, h/2, w/2, C_level], kept too
//! ```

use super::{BlockType, Level, UNetBuilder};
use crate::error::Result;
use crate::graph::Value;
use crate::model::resample::{DownsamplePadding, downsample};
use crate::model::resnet::resnet_block;

impl UNetBuilder<'_> {
    /// Pushes the skip connections of level `index` to `skips`, in the order in which they are made.
    pub(super) fn down_block(&mut self, index: usize, mut x: Value, skips: &mut Vec<Value>) -> Result<Value> {
        let config = self.config;
        let path = format!("down_blocks.{index}");
        let level = Level {
            block: config.down_block_types[index],
            channels: config.block_out_channels[index],
            heads: config.attention_head_dim[index],
            head_dim: config.attention_head_dim[index],
            transformer_layers: config.transformer_layers_per_block[index],
            only_cross_attention: config.only_cross_attention[index],
        };
        for layer in 0..config.layers_per_block[index] {
            let resnet = format!("{path}.resnets.{layer}");
            x = resnet_block(&mut self.graph, &resnet, x, level.channels, Some(self.time), &self.resnet)?;
            if level.block != BlockType::Plain {
                x = self.attention_layer(&format!("{path}.attentions.{layer}"), x, &level)?;
            }
            skips.push(x);
        }
        if index < config.halvings() {
            let padding = match config.downsample_padding {
                0 => DownsamplePadding::BelowRight,
                _ => DownsamplePadding::Around,
            };
            x = downsample(&mut self.graph, &format!("{path}.downsamplers.0"), x, padding)?;
            skips.push(x);
        }
        Ok(x)
    }
}
