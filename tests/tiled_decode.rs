//! Pictures decoded in tiles, where there is no room to decode them whole.
//!
//! Golden: tests/goldens/models/sd2x/vae.tiled.f32, what `tiled_decode` of diffusers makes of tiles of 8 latents.

mod families;
mod formula;
mod support;

use std::rc::Rc;

use families::Family;
use formula::normal_input;
use pollster::block_on;
use support::limited::Limited;
use support::runs::text;
use support::{Checkpoint, relative_error};
use tenstep::burn::Cpu;
use tenstep::error::Result;
use tenstep::executor::Executor;
use tenstep::image::Image;
use tenstep::model::{AutoencoderRequest, decoder};
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Decoder, Model, open};

/// Against PyTorch in f64.
const PARITY: f64 = 1e-4;
const SD2X: Family = Family { name: "sd2x" };

/// A decoder of the family sd2x for latents of `[height, width]`, on an executor that may be short of memory.
async fn decoder_of<E: Executor>(executor: &Rc<Limited<E>>, size: [usize; 2]) -> Result<Decoder<Limited<E>>> {
    let config = SD2X.autoencoder_config();
    let request = AutoencoderRequest { batch: 1, height: 8, width: 8 };
    let graph = decoder(&config, &request).expect("a graph");
    let weights = families::weights(executor.as_ref(), &graph);
    Decoder::new(executor.clone(), config, Rc::new(weights), size).await
}

async fn golden_latents<E: Executor>(executor: &Limited<E>) -> E::Tensor {
    let latents = executor.tensor(&[1, 15, 13, 4]).expect("a tensor");
    executor.write(&latents, &normal_input("sd2x.tiled_latents", 15 * 13 * 4)).expect("a write");
    latents
}

async fn tiles_are_those_of_diffusers<E: Executor>(executor: E, label: &str) {
    let executor = Rc::new(Limited::new(executor));
    let latents = golden_latents(&executor).await;
    let whole = decoder_of(&executor, [15, 13]).await.expect("a decoder");
    assert_eq!(whole.tile(), None);
    let whole = whole.decode(&latents).await.expect("a picture");

    executor.room_to_plan.set(64);
    let decoder = decoder_of(&executor, [15, 13]).await.expect("a decoder");
    assert_eq!(decoder.tile(), Some(32));
    let tiled = decoder.decode(&latents).await.expect("a picture");
    let golden = SD2X.golden("vae.tiled");
    assert_eq!(golden.shape, [1, 60, 52, 3]);
    let error = relative_error(&tiled, &golden.values);
    println!("tiles on {label}: relative error {error:.1e}");
    assert!(error <= PARITY, "{label}: {error:e}");
    assert!(relative_error(&whole, &golden.values) > 0.1, "the golden shows that it is of tiles");
}

#[test]
fn tiles_on_the_cpu_are_those_of_diffusers() {
    block_on(tiles_are_those_of_diffusers(Cpu::new(), "the CPU"));
}

#[test]
fn tiles_on_the_gpu_are_those_of_diffusers() {
    block_on(async {
        let Some(gpu) = support::gpu().await else { return };
        tiles_are_those_of_diffusers(gpu, "the GPU").await;
    });
}

#[test]
fn tiles_become_smaller_until_they_fit() {
    let of_room = |room: usize, size: [usize; 2]| {
        let executor = Rc::new(Limited::new(Cpu::new()));
        executor.room_to_plan.set(room);
        let tile = block_on(decoder_of(&executor, size)).map(|decoder| decoder.tile());
        (tile, executor.planned.take())
    };
    let (tile, planned) = of_room(40 * 24, [40, 24]);
    assert_eq!((tile, planned), (Ok(None), vec!["40 x 24".to_owned()]));
    let (tile, planned) = of_room(12 * 12, [40, 24]);
    assert_eq!(tile, Ok(Some(48)));
    assert_eq!(planned, ["40 x 24", "20 x 20", "12 x 12"]);

    let (refused, planned) = of_room(63, [40, 24]);
    assert_eq!(planned, ["40 x 24", "20 x 20", "12 x 12", "8 x 8"]);
    let refused = refused.expect_err("there is room for nothing");
    assert_eq!(refused.code(), "out-of-memory");
    let message = refused.to_string();
    let tried = "a picture of 96 x 160 pixels cannot be decoded whole, nor in tiles of 80, 48, 32 pixels";
    assert!(message.contains(tried), "{message}");
    let small = of_room(63, [8, 8]).0.expect_err("there are no smaller tiles").to_string();
    assert!(small.contains("too small for tiles"), "{small}");
}

#[test]
fn a_shortage_in_the_middle_of_decoding_is_met_with_tiles() {
    let executor = Rc::new(Limited::new(Cpu::new()));
    let latents = block_on(golden_latents(&executor));
    let decoder = block_on(decoder_of(&executor, [15, 13])).expect("a decoder");
    executor.room_to_run.set(64);
    let tiled = block_on(decoder.decode(&latents)).expect("a picture");
    assert!(relative_error(&tiled, &SD2X.golden("vae.tiled").values) <= PARITY);
    assert_eq!(decoder.tile(), Some(32));
    // Heights 8, 8 and 3, widths 8, 7 and 1; the plan that did not fit is gone.
    assert_eq!(executor.decoders(), 6);
    let planned = executor.planned.borrow().len();
    block_on(decoder.decode(&latents)).expect("another picture");
    assert_eq!(executor.planned.borrow().len(), planned, "plans are kept");

    executor.room_to_run.set(7);
    assert_eq!(block_on(decoder.decode(&latents)).map_err(|error| error.code()), Err("out-of-memory"));
    assert_eq!(executor.decoders(), 0);
}

/// A picture of the default model, and what its run warns of before and after it is decoded.
fn picture(model: &Model<Limited<Cpu>>, before_decoding: impl FnOnce()) -> (Image, [Vec<String>; 2]) {
    let fields = [
        ("prompt", text("a red apple")),
        ("negativePrompt", text("a leaf")),
        ("steps", Field::Number(3.0)),
        ("guidanceInterval", Field::Numbers(vec![0.3, 3.0])),
    ];
    let fields = fields.map(|(name, field)| (name.to_owned(), field));
    let options = GenerateOptions::from_fields(&fields, model.limits()).expect("good options");
    block_on(async {
        let mut run = model.start(&options).await.expect("a run");
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        let warnings = run.warnings();
        before_decoding();
        let image = run.decode().await.expect("a picture");
        (image, [warnings, run.warnings()])
    })
}

/// Red, green and blue of each pixel on white: of a transparent one, nothing else shows.
fn on_white(image: &Image) -> impl Iterator<Item = f64> {
    image.rgba.chunks_exact(4).flat_map(|pixel| {
        let opacity = f64::from(pixel[3]) / 255.0;
        [pixel[0], pixel[1], pixel[2]].map(|colour| opacity * f64::from(colour) + 255.0 * (1.0 - opacity))
    })
}

/// What a warning says of the smallest tiles, of 8 latents along a side.
fn smallest_tiles() -> String {
    let side = 8 * Checkpoint::default_model().autoencoder().vae_scale_factor();
    format!("tiles of {side} x {side} pixels")
}

fn default_model(executor: &Rc<Limited<Cpu>>) -> Model<Limited<Cpu>> {
    block_on(open(executor.clone(), &Checkpoint::default_model().path)).expect("the default model loads")
}

#[test]
fn a_model_loads_and_draws_where_there_is_no_room_for_its_decoder() {
    let executor = Rc::new(Limited::new(Cpu::new()));
    let (whole, warnings) = picture(&default_model(&executor), || ());
    assert_eq!(warnings, [const { Vec::<String>::new() }; 2]);

    let executor = Rc::new(Limited::new(Cpu::new()));
    executor.room_to_plan.set(64);
    let (tiled, warnings) = picture(&default_model(&executor), || ());
    for warnings in &warnings {
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let said = format!("Memory is short: the picture is decoded in overlapping {}", smallest_tiles());
        assert!(warnings[0].starts_with(&said), "{warnings:?}");
    }
    // Of both batches, the networks are planned once, and one decoder serves both.
    let planned = executor.planned.borrow();
    let of = |what: &str| planned.iter().filter(|name| *name == what).count();
    let scale = Checkpoint::default_model().autoencoder().vae_scale_factor();
    let all_latents = format!("{} x {}", whole.height / scale, whole.width / scale);
    assert_eq!(
        (of("last_hidden_state"), of("model_output"), of(&all_latents), of("8 x 8")),
        (2, 2, 1, 1),
        "{planned:?}"
    );

    assert_eq!((tiled.width, tiled.height), (whole.width, whole.height));
    let differences = on_white(&tiled).zip(on_white(&whole)).map(|(tiled, whole)| (tiled - whole).abs());
    let mean = differences.sum::<f64>() / (3 * tiled.width * tiled.height) as f64;
    println!("{} change a channel by {mean:.2} of 255 on average", smallest_tiles());
    assert!(mean > 0.0 && mean < 8.0, "{mean}");
}

#[test]
fn a_run_says_that_it_was_decoded_in_tiles_after_all() {
    let executor = Rc::new(Limited::new(Cpu::new()));
    let model = default_model(&executor);
    let (_, [before, after]) = picture(&model, || executor.room_to_run.set(64));
    assert_eq!(before, [] as [String; 0]);
    assert_eq!(after.len(), 1);
    assert!(after[0].contains(&smallest_tiles()), "{after:?}");
    // The next knows from the start.
    let (_, [before, _]) = picture(&model, || ());
    assert_eq!(before, after);
}
