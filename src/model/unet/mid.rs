//! UNetMidBlock2D and UNetMidBlock2DCrossAttn: the block at the lowest resolution, `[B, h, w, C]` to the same.

use super::{BlockType, Level, MidBlockType, UNetBuilder};
use crate::error::Result;
use crate::graph::Value;
use crate::model::resnet::{ResnetOptions, resnet_block};

impl UNetBuilder<'_> {
    /// `resnets.0`, and for [`MidBlockType::CrossAttention`] `attentions.0` and `resnets.1`. Residual blocks divide
    /// their sum by `mid_block_scale_factor`.
    pub(super) fn mid_block(&mut self, block: MidBlockType, x: Value) -> Result<Value> {
        let config = self.config;
        let last = config.halvings();
        let channels = config.block_out_channels[last];
        let options = ResnetOptions { output_scale_factor: config.mid_block_scale_factor, ..self.resnet };
        let time = Some(self.time);
        let x = resnet_block(&mut self.graph, "mid_block.resnets.0", x, channels, time, &options)?;
        if block == MidBlockType::Plain {
            return Ok(x);
        }
        let level = Level {
            block: BlockType::CrossAttention,
            channels,
            heads: config.attention_head_dim[last],
            head_dim: config.attention_head_dim[last],
            transformer_layers: config.transformer_layers_per_block[last],
            only_cross_attention: false,
        };
        let x = self.attention_layer("mid_block.attentions.0", x, &level)?;
        resnet_block(&mut self.graph, "mid_block.resnets.1", x, channels, time, &options)
    }
}
