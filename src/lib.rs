//! Pictures from a prompt, in about ten network evaluations.

// Futures here run on one thread: a browser worker, or the command line's.
#![expect(async_fn_in_trait, reason = "executors are used generically and on one thread")]

#[cfg(feature = "cpu")]
pub mod burn;
#[cfg(feature = "native")]
pub mod cli;
#[cfg(feature = "native")]
pub mod convert;
pub mod error;
pub mod executor;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod graph;
mod host;
pub mod image;
pub mod model;
pub mod options;
pub mod pipeline;
pub mod random;
pub mod solver;
pub mod tokenizer;
#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;
pub mod weights;

pub use error::{Error, Result};
