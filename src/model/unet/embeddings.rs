//! What the UNet's residual blocks are told besides the picture: the time, and the class.

use super::super::resnet::Time;
use super::{ClassEmbedding, UNetConfig, UNetRequest};
use crate::error::{Error, Result};
use crate::graph::{Activation, GraphBuilder, Value};

/// The time embedding, after the activation that every residual block would begin with; its width doubles with
/// `class_embeddings_concat`. It is of the known timesteps where nothing else enters it, such as a class. Declares the inputs
/// `timestep [B]` (or `timesteps` and `step`), `timestep_cond [B, …]` and `class_labels`.
pub(super) fn time_embedding(
    graph: &mut GraphBuilder,
    config: &UNetConfig,
    request: &UNetRequest,
) -> Result<Time> {
    let width = config.time_embed_dim;
    let (timesteps, mut step) = timestep_inputs(graph, request)?;
    let mut sinusoids = time_proj(graph, config, timesteps)?;
    if request.timestep_cond || config.class_embedding.is_some() {
        let rows = sinusoids;
        sinusoids = Time { rows, step: step.take() }.of_samples(graph, rows)?;
    }
    if request.timestep_cond {
        let Some(dim) = config.time_cond_proj_dim else {
            return Err(Error::InvalidOption {
                option: "timestep_cond",
                accepted: "false for a network without time_cond_proj_dim".to_owned(),
                value: "true".to_owned(),
            });
        };
        let condition = graph.input("timestep_cond", &[request.batch, dim])?;
        let channels = graph.channels(sinusoids);
        let projected = graph.unbiased_layer("time_embedding.cond_proj", condition, channels)?;
        sinusoids = graph.add(sinusoids, projected)?;
    }
    let mut time = two_layers(graph, "time_embedding", sinusoids, width, config.act_fn)?;
    if let Some(activation) = config.timestep_post_act {
        time = graph.activation(time, activation);
    }
    if let Some(class) = class_embedding(graph, config, request)? {
        time = match config.class_embeddings_concat {
            true => graph.concat(&[time, class])?,
            false => graph.add(time, class)?,
        };
    }
    if let Some(activation) = config.time_embedding_act_fn {
        time = graph.activation(time, activation);
    }
    Ok(Time { rows: graph.activation(time, config.act_fn), step })
}

/// `timestep`, or `timesteps` and `step`.
fn timestep_inputs(graph: &mut GraphBuilder, request: &UNetRequest) -> Result<(Value, Option<Value>)> {
    if request.known_timesteps == 0 {
        return Ok((graph.input("timestep", &[request.batch])?, None));
    }
    let timesteps = graph.input("timesteps", &[request.known_timesteps])?;
    graph.lasts(timesteps);
    Ok((timesteps, Some(graph.input("step", &[request.batch])?)))
}

/// Declares `class_labels`, `[B]` or `[B, width]`, and embeds them: `[B, T]`.
fn class_embedding(
    graph: &mut GraphBuilder,
    config: &UNetConfig,
    request: &UNetRequest,
) -> Result<Option<Value>> {
    let Some(kind) = config.class_embedding else { return Ok(None) };
    let width = config.time_embed_dim;
    let shape = match kind {
        ClassEmbedding::Table { .. } | ClassEmbedding::Timestep => vec![request.batch],
        ClassEmbedding::Identity => vec![request.batch, width],
        ClassEmbedding::Projection { width } | ClassEmbedding::SimpleProjection { width } => {
            vec![request.batch, width]
        }
    };
    let labels = graph.input("class_labels", &shape)?;
    let path = "class_embedding";
    let embedding = match kind {
        ClassEmbedding::Table { classes } => graph.embedding_layer(path, labels, classes, width)?,
        ClassEmbedding::Timestep => {
            let sinusoids = time_proj(graph, config, labels)?;
            two_layers(graph, path, sinusoids, width, config.act_fn)?
        }
        ClassEmbedding::Identity => labels,
        ClassEmbedding::Projection { .. } => two_layers(graph, path, labels, width, Activation::Silu)?,
        ClassEmbedding::SimpleProjection { .. } => graph.linear_layer(path, labels, width)?,
    };
    Ok(Some(embedding))
}

/// `[B]` to sinusoids `[B, block_out_channels[0]]`.
fn time_proj(graph: &mut GraphBuilder, config: &UNetConfig, numbers: Value) -> Result<Value> {
    let dim = config.block_out_channels[0];
    graph.timestep_embedding(numbers, dim, config.flip_sin_to_cos, config.freq_shift)
}

/// TimestepEmbedding: `[B, K]` to `[B, width]`.
fn two_layers(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    width: usize,
    activation: Activation,
) -> Result<Value> {
    let h = graph.linear_layer(&format!("{path}.linear_1"), x, width)?;
    let h = graph.activation(h, activation);
    graph.linear_layer(&format!("{path}.linear_2"), h, width)
}
