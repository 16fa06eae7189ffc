//! Text to image: from a prompt to a picture, one solver step at a time.
//!
//! ```text
//! manifest, shards                     -> Loader -> Model                       once
//! prompt    -> input_ids     [n, L]    -> text encoder  -> prompt_embeds [n, L, D]
//! seed      -> noise         [1, h, w, C] · init_noise_sigma -> sample
//! for each step of the plan:
//!   sample [n, h, w, C], timestep [n], prompt_embeds    -> UNet -> model_output [n, h, w, C]
//!   guidance, prediction type and solver: linear combinations          -> sample
//! latents   [1, h, w, C]               -> autoencoder   -> RGBA8 [H, W, 4]
//! ```
//!
//! `n` is 2 with classifier-free guidance (first the unconditional half, then the conditional one), else 1.
//! All of a step's device work goes out in one submission, and nothing is read back to take the next, but where an
//! adaptive solver judges a step.

mod decoder;
mod evaluator;
mod loader;
mod model;
pub(crate) mod networks;
#[cfg(feature = "native")]
mod open;
mod partner;
mod plans;
mod ports;
mod prompt;
mod recent;
mod rounding;
mod run;
mod sampling;
mod state;
mod tiles;

pub use decoder::Decoder;
pub use evaluator::Evaluator;
pub use loader::Loader;
pub use model::{Model, ModelInfo};
#[cfg(feature = "native")]
pub use open::open;
pub use partner::{Answer, Half, Partner};
pub use run::{Run, StepReport, Timings};
pub use state::RunState;
