//! A network of networks.json as a graph.

use serde_json::Value as Json;
use tenstep::graph::Graph;
use tenstep::model::{self, AutoencoderConfig, AutoencoderRequest, TextEncoderConfig, TextEncoderRequest};
use tenstep::model::{UNetConfig, UNetRequest};

/// `component` is a manifest's name for the kind of network, `config` diffusers' JSON of it. `size` is that of the latents,
/// `tokens` the length of the text; a network without the one or the other ignores it.
pub fn graph(
    component: &str,
    config: &str,
    batch: usize,
    size: usize,
    tokens: usize,
) -> Result<Graph, String> {
    let config: Json = serde_json::from_str(config).map_err(|error| error.to_string())?;
    let graph = match component {
        "text_encoder" => TextEncoderConfig::from_json(&config).and_then(|config| {
            let request = TextEncoderRequest { batch, length: tokens, ..TextEncoderRequest::default() };
            model::text_encoder(&config, &request)
        }),
        "unet" => UNetConfig::from_json(&config).and_then(|config| {
            let request = UNetRequest {
                batch,
                height: size,
                width: size,
                text_length: tokens,
                ..UNetRequest::default()
            };
            model::unet(&config, &request)
        }),
        "vae_decoder" => AutoencoderConfig::from_json(&config).and_then(|config| {
            model::decoder(&config, &AutoencoderRequest { batch, height: size, width: size })
        }),
        other => return Err(format!("there is no network of the kind {other}")),
    };
    graph.map_err(|error| error.to_string())
}
