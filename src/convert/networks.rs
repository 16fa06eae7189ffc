//! The networks of a diffusers folder, and the parameters that each needs.

use serde_json::Value;

use super::folder::Folder;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::model::{self, AutoencoderConfig, AutoencoderRequest, TextEncoderConfig, TextEncoderRequest};
use crate::model::{Parts, UNetConfig, UNetRequest};
use crate::solver::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::weights::{Alpha, Channels, ImageFormat, Preview};

/// Side of the latents where a config leaves it out: that of Stable Diffusion.
const DEFAULT_SAMPLE_SIZE: [usize; 2] = [64, 64];

/// What the configs of a folder describe.
pub struct Networks {
    networks: Vec<Network>,
    pub image: ImageFormat,
    /// Height and width in pixels.
    pub default_size: [usize; 2],
    /// The folder's, or where it follows from the networks.
    pub preview: Option<Preview>,
}

/// One component of the manifest to be.
pub struct Network {
    part: &'static str,
    pub name: &'static str,
    pub lazy: bool,
    pub config: Value,
    /// Names and shapes, in the order in which the graph first reads them.
    pub parameters: Vec<(String, Vec<usize>)>,
}

impl Networks {
    /// Reads all configs as the engine will, and checks that the networks fit each other.
    pub fn new(folder: &Folder) -> Result<Self> {
        let scheduler = SchedulerConfig::from_json(&folder.scheduler)?;
        let tokenizer = Tokenizer::from_files(&folder.tokenizer)?;
        let (text_json, unet_json) = (folder.config("text_encoder")?, folder.config("unet")?);
        let text = TextEncoderConfig::from_json(&text_json)?;
        let unet = UNetConfig::from_json(&unet_json)?;
        let vae_json = match folder.has_vae {
            true => folder.config("vae")?,
            false => AutoencoderConfig::identity(unet.in_channels),
        };
        let vae = AutoencoderConfig::from_json(&vae_json)?;
        let image = image_format(folder, vae.out_channels())?;
        let preview = match &folder.preview {
            Some(preview) => Some(preview.clone()),
            None => vae.is_identity().then(|| identity_preview(vae.latent_channels())),
        };
        let parts = Parts {
            tokenizer: &tokenizer,
            text_encoder: &text,
            unet: &unet,
            autoencoder: &vae,
            image: &image,
            preview: preview.as_ref(),
        };
        parts.check_fit()?;
        scheduler.check_samples(vae.is_identity())?;

        let length = text.max_position_embeddings;
        let [height, width] = unet.sample_size.unwrap_or(DEFAULT_SAMPLE_SIZE);
        let text_request = TextEncoderRequest { batch: 1, length, ..TextEncoderRequest::default() };
        let unet_request =
            UNetRequest { batch: 1, height, width, text_length: length, ..UNetRequest::default() };
        let vae_request = AutoencoderRequest { batch: 1, height, width };
        let text_encoder = model::text_encoder(&text, &text_request)?;
        let decoder = model::decoder(&vae, &vae_request)?;
        let encoder = model::encoder(&vae, &vae_request)?;
        let networks = vec![
            Network::new("text_encoder", "text_encoder", false, text_json, &text_encoder),
            Network::new("unet", "unet", false, unet_json, &model::unet(&unet, &unet_request)?),
            Network::new("vae", "vae_decoder", false, vae_json.clone(), &decoder),
            Network::new("vae", "vae_encoder", true, vae_json, &encoder),
        ];
        let scale = vae.vae_scale_factor();
        Ok(Self { networks, image, default_size: [height * scale, width * scale], preview })
    }

    /// The networks whose weights are in folder `part`.
    pub fn of_part(&self, part: &str) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(move |network| network.part == part)
    }
}

impl Network {
    fn new(part: &'static str, name: &'static str, lazy: bool, config: Value, graph: &Graph) -> Self {
        let parameters =
            graph.parameters().map(|(name, value)| (name.to_owned(), graph.shape(value).to_vec())).collect();
        Self { part, name, lazy, config, parameters }
    }
}

/// Pixels look like themselves.
fn identity_preview(channels: usize) -> Preview {
    let row = |of: usize| (0..channels).map(|channel| if channel == of { 1.0 } else { 0.0 }).collect();
    Preview { weight: (0..channels).map(row).collect(), bias: vec![0.0; channels] }
}

fn image_format(folder: &Folder, out_channels: usize) -> Result<ImageFormat> {
    let channels = match out_channels {
        3 => Channels::Rgb,
        4 => Channels::Rgba,
        _ => {
            return Err(Error::UnsupportedConfig {
                component: "vae".to_owned(),
                field: "out_channels".to_owned(),
                value: out_channels.to_string(),
                accepted: "3, 4".to_owned(),
            });
        }
    };
    Ok(folder.image.unwrap_or(ImageFormat { channels, alpha: Alpha::Straight }))
}
