//! Work that is counted and not measured, for the default model: it does not depend on the machine's mood, so a rise of it is
//! a change of the planner or of the kernels.
//!
//! Golden: tests/goldens/counted_work.json, written by `TENSTEP_WRITE_COUNTED_WORK=1 cargo test --test counted_work`.

#![cfg(feature = "native")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pollster::block_on;
use serde::{Deserialize, Serialize};
use support::Checkpoint;
use tenstep::executor::{Arithmetic, Executor};
use tenstep::gpu::{Account, Gpu, GpuOptions};
use tenstep::graph::Graph;
use tenstep::model::{
    AutoencoderRequest, TextEncoderConfig, TextEncoderRequest, UNetConfig, UNetRequest, decoder,
    text_encoder, unet,
};

/// What a figure may be at most, by that in the file.
const RISE: f64 = 1.15;
/// What every WebGPU device offers, so that nothing is cut differently on a device that offers more.
const LIMITS: GpuOptions = GpuOptions {
    max_binding_bytes: Some(128 << 20),
    max_buffer_bytes: Some(256 << 20),
    many_threads: None,
    arithmetic: Arithmetic::F32,
    subgroups: false,
};
/// The forms of the products: a GPU's and a software adapter's, and what the names of the latter's counts end with.
const FORMS: [(bool, &str); 2] = [(true, ""), (false, "InSoftware")];
/// The most dispatches of a UNet, by the operations of its graph.
const UNET_DISPATCHES: f64 = 0.6;
/// Timesteps that a UNet is prepared for in a run.
const KNOWN_TIMESTEPS: usize = 32;
const WRITE: &str = "TENSTEP_WRITE_COUNTED_WORK";

/// One evaluation of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counts {
    dispatches: u64,
    flops: u64,
    weight_bytes: u64,
    arena_bytes: u64,
    /// Bytes that the dispatches bind.
    bound_bytes: u64,
}

impl Counts {
    /// `lasting`: how many of the dispatches come once a run, and are not counted.
    fn of(account: &Account, lasting: usize) -> Self {
        let work = &account.work[lasting..];
        Self {
            dispatches: work.len() as u64,
            flops: work.iter().map(|work| work.flops).sum(),
            weight_bytes: account.weight_bytes,
            arena_bytes: account.arena_bytes,
            bound_bytes: work.iter().map(|work| work.bytes).sum(),
        }
    }

    fn figures(&self) -> [(&'static str, u64); 5] {
        let Self { dispatches, flops, weight_bytes, arena_bytes, bound_bytes } = *self;
        [
            ("dispatches", dispatches),
            ("flops", flops),
            ("weightBytes", weight_bytes),
            ("arenaBytes", arena_bytes),
            ("boundBytes", bound_bytes),
        ]
    }
}

/// Networks of the default model at its default size: name, component, graph. Of the UNet also as a run has it, which makes all that
/// depends on the text or the timesteps beforehand.
fn networks(checkpoint: &Checkpoint) -> [(&'static str, &'static str, Graph); 5] {
    let config = |name| &checkpoint.component(name).config;
    let text_config = TextEncoderConfig::from_json(config("text_encoder")).expect("a text encoder");
    let unet_config = UNetConfig::from_json(config("unet")).expect("a UNet");
    let autoencoder = checkpoint.autoencoder();
    let defaults = &checkpoint.manifest.defaults;
    let scale = autoencoder.vae_scale_factor();
    let (height, width) = (defaults.height / scale, defaults.width / scale);
    let length = text_config.max_position_embeddings;
    let of_unet = |batch| UNetRequest { batch, height, width, text_length: length, ..UNetRequest::default() };
    let in_a_run = UNetRequest { lasting_text: true, known_timesteps: KNOWN_TIMESTEPS, ..of_unet(2) };
    let unet = |request| unet(&unet_config, &request).expect("a graph");
    let text_request = TextEncoderRequest { batch: 2, length, ..TextEncoderRequest::default() };
    let text = text_encoder(&text_config, &text_request).expect("a graph");
    let picture = decoder(&autoencoder, &AutoencoderRequest { batch: 1, height, width }).expect("a graph");
    [
        ("textEncoder", "text_encoder", text),
        ("unetGuided", "unet", unet(of_unet(2))),
        ("unetGuidedInARun", "unet", unet(in_a_run)),
        ("unetUnguided", "unet", unet(of_unet(1))),
        ("decoder", "vae_decoder", picture),
    ]
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/counted_work.json")
}

/// The figures that rose by more than is allowed, and whether any fell.
fn compare(
    counted: &BTreeMap<String, Counts>,
    expected: &BTreeMap<String, Counts>,
) -> (Vec<String>, Vec<String>) {
    let (mut rises, mut falls) = (Vec::new(), Vec::new());
    for (network, counts) in counted {
        let Some(before) = expected.get(network) else {
            rises.push(format!("{network} is not in the file"));
            continue;
        };
        for ((figure, now), (_, before)) in counts.figures().into_iter().zip(before.figures()) {
            let change = format!("{network}: {figure} was {before} and is {now}");
            if now as f64 > RISE * before as f64 {
                rises.push(change);
            } else if now < before {
                falls.push(change);
            }
        }
    }
    (rises, falls)
}

/// What an evaluation of a network's plan counts, once it adds up.
fn checked(name: &str, graph: &Graph, plan: &<Gpu as Executor>::Plan) -> Counts {
    let account = plan.account();
    let lasting = account.work.len() - plan.dispatch_count();
    let counts = Counts::of(account, lasting);
    println!("{name}: {counts:?}, {} operations", account.operations);
    if name.starts_with("unet") {
        let work = &account.work[lasting..];
        let sums = work.iter().filter(|work| work.class.kernel == "sum_parts").count();
        let part = work.len() as f64 / account.operations as f64;
        assert!(part <= UNET_DISPATCHES, "{name}: {part}");
        assert!(sums == 0 || !name.ends_with("InSoftware"), "{name}: {sums} sums of parts");
    }
    let shared = account.flops() as f64 / graph.cost().flops as f64;
    assert!((shared - 1.0).abs() < 1e-3, "{name}: every operation is some dispatch's, {shared}");
    assert!(account.live_bytes <= account.arena_bytes && account.arena_bytes <= account.value_bytes);
    counts
}

#[test]
fn counted_work_does_not_rise() {
    let checkpoint = Checkpoint::default_model();
    let mut counted = BTreeMap::new();
    for (many_threads, suffix) in FORMS {
        let options = GpuOptions { many_threads: Some(many_threads), ..LIMITS };
        let gpu = match block_on(Gpu::new(options)) {
            Ok(gpu) => gpu,
            Err(error) if std::env::var("TENSTEP_SKIP_GPU").is_ok_and(|value| value == "1") => {
                println!("skipped, as TENSTEP_SKIP_GPU=1 asks: {error}");
                return;
            }
            Err(error) => {
                panic!("{error}; install a Vulkan driver (mesa-vulkan-drivers has one for the CPU)")
            }
        };
        for (name, component, graph) in networks(&checkpoint) {
            let name = format!("{name}{suffix}");
            let weights = checkpoint.weights(&gpu, component);
            let plan = block_on(gpu.plan(&graph, &weights)).expect("a plan");
            counted.insert(name.clone(), checked(&name, &graph, &plan));
        }
    }
    if std::env::var_os(WRITE).is_some() {
        let text = serde_json::to_string_pretty(&counted).expect("numbers") + "\n";
        std::fs::write(golden(), text).expect("the file is written");
        return;
    }
    let text = std::fs::read_to_string(golden()).expect("tests/goldens/counted_work.json");
    let expected = serde_json::from_str(&text).expect("counts");
    let (rises, falls) = compare(&counted, &expected);
    let rewrite = format!("`{WRITE}=1 cargo test --test counted_work` rewrites the file");
    if !falls.is_empty() {
        println!("less than before; {rewrite}:\n{}", falls.join("\n"));
    }
    assert!(
        rises.is_empty(),
        "more than {RISE} times as much; if that is meant, {rewrite}:\n{}",
        rises.join("\n")
    );
}

#[test]
fn a_rise_is_seen_and_a_fall_is_told() {
    let before = Counts { dispatches: 100, flops: 1000, weight_bytes: 10, arena_bytes: 10, bound_bytes: 10 };
    let now = Counts { dispatches: 114, flops: 1151, weight_bytes: 9, ..before };
    let named = |counts| BTreeMap::from([("unet".to_owned(), counts)]);
    let (rises, falls) = compare(&named(now), &named(before));
    assert_eq!(rises, ["unet: flops was 1000 and is 1151"]);
    assert_eq!(falls, ["unet: weightBytes was 10 and is 9"]);
    assert_eq!(compare(&named(now), &BTreeMap::new()).0, ["unet is not in the file"]);
}
