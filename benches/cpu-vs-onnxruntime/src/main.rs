//! `tenstep-bench-unet <unet folder> [evaluations]`: seconds of one guided evaluation, natively, on one thread.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tenstep_bench_unet::Unet;

/// Two samples (with the prompt and without) of 16 x 16 latents, 16 tokens of width 192.
const BATCH: usize = 2;
const SIZE: usize = 16;
const TOKENS: usize = 16;
const WIDTH: usize = 192;
const CHANNELS: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let evaluations = arguments.get(1).map_or(Ok(20), |count| count.parse());
    let (Some(folder), Ok(evaluations @ 1..)) = (arguments.first(), evaluations) else {
        eprintln!("usage: tenstep-bench-unet <unet folder> [evaluations]");
        return ExitCode::from(2);
    };
    match run(Path::new(folder), evaluations) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, evaluations: usize) -> Result<(), String> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    let config = String::from_utf8(read("config.json")?).map_err(|error| error.to_string())?;
    let safetensors = read("diffusion_pytorch_model.safetensors")?;
    let unet = Unet::new(&config, &safetensors, BATCH, SIZE, TOKENS)?;

    let wave = |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32 * 0.37).sin()).collect() };
    let sample = wave(BATCH * SIZE * SIZE * CHANNELS);
    let text = wave(BATCH * TOKENS * WIDTH);
    let mut seconds = Vec::with_capacity(evaluations);
    // The first evaluation finds cold caches and is not counted.
    for _ in 0..=evaluations {
        let start = Instant::now();
        unet.evaluate(&sample, 500.0, &text, BATCH)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let mut seconds = seconds.split_off(1);
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    println!(
        "{:.1} ms a guided evaluation (median of {evaluations}; least {:.1}), {:.2} GFLOP, {:.1} GFLOP/s",
        1e3 * median,
        1e3 * seconds[0],
        unet.flops() / 1e9,
        unet.flops() / 1e9 / median
    );
    Ok(())
}
