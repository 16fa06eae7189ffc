//! A model's networks as graphs of any size, from the configs in its manifest.

use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::graph::{Graph, GraphBuilder};
use crate::model::{self, AutoencoderConfig, AutoencoderRequest, TextEncoderConfig, TextEncoderRequest};
use crate::model::{MAX_LATENT_SIDE, Parts, UNetConfig, UNetRequest};
use crate::tokenizer::Tokenizer;
use crate::weights::{Component, DType, Manifest, Preview, TensorInfo};

/// The shapes of one kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// 2 with guidance, else 1.
    pub batch: usize,
    /// Pixels.
    pub width: usize,
    pub height: usize,
    pub latent_width: usize,
    pub latent_height: usize,
    pub latent_channels: usize,
    /// Tokens of a prompt.
    pub text_length: usize,
    /// Width of the text embeddings.
    pub text_width: usize,
}

impl Size {
    /// Elements of one sample's latents.
    pub fn latent_elements(&self) -> usize {
        self.latent_height * self.latent_width * self.latent_channels
    }

    /// Elements of the whole batch's text embeddings.
    pub fn text_elements(&self) -> usize {
        self.batch * self.text_length * self.text_width
    }
}

/// Timesteps that a UNet is prepared for at once; a run of more evaluations prepares it again.
pub const KNOWN_TIMESTEPS: usize = 32;

/// The configs of a model's networks.
#[derive(Debug)]
pub struct Networks {
    text_encoder: TextEncoderConfig,
    unet: UNetConfig,
    autoencoder: AutoencoderConfig,
    preview: Option<Preview>,
}

impl Networks {
    /// Reads the configs of the components that text to image needs.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        Ok(Self {
            text_encoder: TextEncoderConfig::from_json(&component(manifest, "text_encoder")?.config)?,
            unet: UNetConfig::from_json(&component(manifest, "unet")?.config)?,
            autoencoder: AutoencoderConfig::from_json(&component(manifest, "vae_decoder")?.config)?,
            preview: manifest.preview.clone(),
        })
    }

    /// Checks that the networks, the tokenizer and the manifest's pictures go together, and that pictures of the default size can be
    /// made. Errors: those of [`Parts::check_fit`], [`Error::InvalidManifest`].
    pub fn check_fit(&self, manifest: &Manifest, tokenizer: &Tokenizer) -> Result<()> {
        let parts = Parts {
            tokenizer,
            text_encoder: &self.text_encoder,
            unet: &self.unet,
            autoencoder: &self.autoencoder,
            image: &manifest.image,
            preview: self.preview.as_ref(),
        };
        parts.check_fit()?;
        let (multiple, most) = (self.size_multiple(), self.max_side());
        for (field, side) in [("width", manifest.defaults.width), ("height", manifest.defaults.height)] {
            if !side.is_multiple_of(multiple) || side > most {
                let message =
                    format!("defaults.{field} must be a multiple of {multiple} up to {most}, not {side}");
                return Err(Error::InvalidManifest { message });
            }
        }
        Ok(())
    }

    /// Compares every graph's parameters with the manifest's tensors: a checkpoint that cannot work is
    /// refused before its first shard is fetched. Errors: [`Error::MissingTensor`], [`Error::TensorShape`].
    pub fn check_tensors(&self, manifest: &Manifest) -> Result<()> {
        let size = self.size(1, manifest.defaults.width, manifest.defaults.height);
        check_component(&self.text_encoder(size)?, component(manifest, "text_encoder")?)?;
        check_component(&self.unet(size)?, component(manifest, "unet")?)?;
        check_component(&self.decoder(size)?, component(manifest, "vae_decoder")?)
    }

    /// Width and height of a picture are multiples of this many pixels, so that every level halves evenly.
    pub fn size_multiple(&self) -> usize {
        self.autoencoder.vae_scale_factor() << (self.unet.block_out_channels.len() - 1)
    }

    /// The longest side of a picture in pixels.
    pub fn max_side(&self) -> usize {
        self.autoencoder.vae_scale_factor() * MAX_LATENT_SIDE
    }

    /// The shapes of a run. `width` and `height` are pixels, multiples of [`Networks::size_multiple`].
    pub fn size(&self, batch: usize, width: usize, height: usize) -> Size {
        let scale = self.autoencoder.vae_scale_factor();
        Size {
            batch,
            width,
            height,
            latent_width: width / scale,
            latent_height: height / scale,
            latent_channels: self.autoencoder.latent_channels(),
            text_length: self.text_encoder.max_position_embeddings,
            text_width: self.text_encoder.hidden_size,
        }
    }

    /// `input_ids [n, L]` to `last_hidden_state [n, L, D]`.
    pub fn text_encoder(&self, size: Size) -> Result<Graph> {
        let request = TextEncoderRequest {
            batch: size.batch,
            length: size.text_length,
            ..TextEncoderRequest::default()
        };
        model::text_encoder(&self.text_encoder, &request)
    }

    /// `sample`, `timestep` and `encoder_hidden_states` to `model_output [n, h, w, C]`.
    pub fn unet(&self, size: Size) -> Result<Graph> {
        model::unet(&self.unet, &Self::unet_request(size))
    }

    /// The same for many evaluations with one text, at [`KNOWN_TIMESTEPS`] `timesteps`, one of which is each `step`'s.
    pub fn unet_for_a_run(&self, size: Size) -> Result<Graph> {
        let request =
            UNetRequest { lasting_text: true, known_timesteps: KNOWN_TIMESTEPS, ..Self::unet_request(size) };
        model::unet(&self.unet, &request)
    }

    fn unet_request(size: Size) -> UNetRequest {
        UNetRequest {
            batch: size.batch,
            height: size.latent_height,
            width: size.latent_width,
            text_length: size.text_length,
            ..UNetRequest::default()
        }
    }

    /// The autoencoder's.
    pub fn autoencoder(&self) -> &AutoencoderConfig {
        &self.autoencoder
    }

    /// `latents [1, h, w, C]` to `sample [1, H, W, channels]`.
    pub fn decoder(&self, size: Size) -> Result<Graph> {
        let request = AutoencoderRequest { batch: 1, height: size.latent_height, width: size.latent_width };
        model::decoder(&self.autoencoder, &request)
    }

    /// `latents [1, h, w, C]` to `preview [1, h, w, channels]`: the manifest's linear map.
    pub fn preview(&self, size: Size) -> Result<Graph> {
        let rows = self.preview.as_ref().map_or(0, |preview| preview.bias.len());
        let mut graph = GraphBuilder::new();
        let shape = [1, size.latent_height, size.latent_width, size.latent_channels];
        let latents = graph.input("latents", &shape)?;
        let weight = graph.parameter("weight", &[rows, size.latent_channels])?;
        let bias = graph.parameter("bias", &[rows])?;
        let preview = graph.linear(latents, weight, Some(bias))?;
        graph.output("preview", preview)?;
        graph.finish()
    }

    /// The parameters of [`Networks::preview`] on a device.
    pub fn preview_weights<E: Executor>(&self, executor: &E) -> Result<Option<E::Weights>> {
        let Some(preview) = &self.preview else { return Ok(None) };
        let (rows, channels) = (preview.bias.len(), self.autoencoder.latent_channels());
        let tensor =
            |name: &str, shape: Vec<usize>| TensorInfo { name: name.to_owned(), shape, dtype: DType::F32 };
        let mut weights =
            executor.weights(&[tensor("weight", vec![rows, channels]), tensor("bias", vec![rows])])?;
        let weight: Vec<u8> = preview.weight.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let bias: Vec<u8> = preview.bias.iter().flat_map(|value| value.to_le_bytes()).collect();
        executor.push(&mut weights, 0, 0, &weight)?;
        executor.push(&mut weights, 1, 0, &bias)?;
        Ok(Some(weights))
    }
}

fn component<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a Component> {
    let message = || format!("component {name} is missing");
    manifest.component(name).ok_or_else(|| Error::InvalidManifest { message: message() })
}

fn check_component(graph: &Graph, component: &Component) -> Result<()> {
    for (name, value) in graph.parameters() {
        let tensor = component.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| Error::MissingTensor { tensor: name.to_owned() })?;
        let expected = graph.shape(value);
        if tensor.shape != expected {
            let (expected, actual) = (expected.to_vec(), tensor.shape.clone());
            return Err(Error::TensorShape { tensor: name.to_owned(), expected, actual });
        }
    }
    Ok(())
}
