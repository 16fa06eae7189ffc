//! UpBlock2D, AttnUpBlock2D and CrossAttnUpBlock2D: one level on the way up.
//!
//! ```text
//! layers_per_block + 1 times:  x = attention(resnet([x, skip], time))   [B, h, w, C_level]
//! but at the last level:       x = upsample(x)                          [B, 2h, 2w, C_level]
//! ```
//!
//! The skip connections are consumed in reverse. An odd size cannot come back by doubling, so each level is
//! brought to the size of the next skip connection, as diffusers does.

use super::{BlockType, Level, UNetBuilder};
use crate::error::Result;
use crate::graph::Value;
use crate::model::resample::upsample;
use crate::model::resnet::resnet_block;

impl UNetBuilder<'_> {
    /// `index` counts from the lowest resolution; pops its skip connections from `skips`.
    pub(super) fn up_block(&mut self, index: usize, mut x: Value, skips: &mut Vec<Value>) -> Result<Value> {
        let config = self.config;
        let mirrored = config.halvings() - index;
        let path = format!("up_blocks.{index}");
        let level = Level {
            block: config.up_block_types[index],
            channels: config.block_out_channels[mirrored],
            heads: config.attention_head_dim[mirrored],
            // diffusers reverses the list for the number of heads, but not for their width.
            head_dim: config.attention_head_dim[index],
            transformer_layers: config.reverse_transformer_layers_per_block[index],
            only_cross_attention: config.only_cross_attention[mirrored],
        };
        for layer in 0..=config.layers_per_block[mirrored] {
            let skip = skips.pop().expect("as many skip connections as layers on the way up");
            let joined = self.graph.concat(&[x, skip])?;
            let resnet = format!("{path}.resnets.{layer}");
            let time = Some(self.time);
            x = resnet_block(&mut self.graph, &resnet, joined, level.channels, time, &self.resnet)?;
            if level.block != BlockType::Plain {
                x = self.attention_layer(&format!("{path}.attentions.{layer}"), x, &level)?;
            }
        }
        if let Some(&next) = skips.last() {
            let size = self.graph.size(next);
            x = upsample(&mut self.graph, &format!("{path}.upsamplers.0"), x, size)?;
        }
        Ok(x)
    }
}
