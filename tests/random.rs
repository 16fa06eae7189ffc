//! The noise is the paper's, and the same that the Python reference draws (tests/goldens/random).

use serde::Deserialize;
use tenstep::random::{BrownianPath, Noise, Of, normals, philox4x32};

/// Known answers published with the authors' implementation (Random123, kat_vectors, philox4x32 10).
#[test]
fn philox_gives_the_published_answers() {
    let known = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, answer) in known {
        assert_eq!(philox4x32(counter, key), answer);
    }
}

#[derive(Deserialize)]
struct Golden {
    draws: Vec<Draw>,
}

#[derive(Deserialize)]
struct Draw {
    seed: String,
    sample: u32,
    step: u32,
    first: [u32; 4],
    far: [u32; 4],
    normals: Vec<f64>,
}

#[test]
fn words_and_normals_equal_the_reference() {
    let golden: Golden = serde_json::from_str(include_str!("goldens/random/noise.json")).expect("JSON");
    assert_eq!(golden.draws.len(), 6);
    for draw in golden.draws {
        let seed = draw.seed.parse().expect("a number");
        let noise = Noise { seed, sample: draw.sample, of: Of::Step(draw.step) };
        assert_eq!(noise.words(0), draw.first, "{noise:?}");
        assert_eq!(noise.words(u32::MAX), draw.far, "{noise:?}");

        // 13 elements: three blocks and one element of a fourth.
        let latents = normals(noise, [1, 13, 1]);
        for (index, (ours, theirs)) in latents.iter().zip(&draw.normals).enumerate() {
            assert!((f64::from(*ours) - theirs).abs() <= 1e-6, "{noise:?}, element {index}: {ours} {theirs}");
        }
    }
}

#[test]
fn elements_are_numbered_channels_first() {
    let (channels, pixels) = (3, 10);
    let noise = Noise { seed: 7, sample: 0, of: Of::Step(0) };
    let first = normals(noise, [1, channels * pixels, 1]);
    let last = normals(noise, [2, 5, channels]);
    for channel in 0..channels {
        for pixel in 0..pixels {
            assert_eq!(last[pixel * channels + channel], first[channel * pixels + pixel]);
        }
    }
}

#[test]
fn normals_are_normal_and_streams_differ() {
    let draw = |seed, sample, of| normals(Noise { seed, sample, of }, SHAPE);
    let base = draw(1, 0, Of::Step(0));
    assert_standard_normal(&base);
    for other in [
        draw(2, 0, Of::Step(0)),
        draw(1 << 32, 0, Of::Step(0)),
        draw(1, 1, Of::Step(0)),
        draw(1, 0, Of::Step(1)),
        draw(1, 0, Of::Node(0)),
    ] {
        assert_unrelated(&base, &other);
    }
}

const SHAPE: [usize; 3] = [128, 128, 4];

fn assert_standard_normal(values: &[f32]) {
    let moment = |power: i32| {
        values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>() / values.len() as f64
    };
    // Standard errors of the first four moments of 65,536 normals: 0.004, 0.006, 0.015, 0.04; four of each.
    for (power, expected, error) in [(1, 0.0, 0.016), (2, 1.0, 0.022), (3, 0.0, 0.06), (4, 3.0, 0.16)] {
        assert!((moment(power) - expected).abs() < error, "moment {power}: {}", moment(power));
    }
}

fn assert_unrelated(a: &[f32], b: &[f32]) {
    let correlation = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / a.len() as f64;
    assert!(correlation.abs() < 0.016, "correlation {correlation}");
}

#[test]
fn increments_of_a_path_are_independent_normals() {
    let mut path = BrownianPath::new(5, 0, SHAPE);
    let first = path.increment([0.2, 0.31]);
    let second = path.increment([0.31, 0.8]);
    assert_standard_normal(&first);
    assert_standard_normal(&second);
    assert_unrelated(&first, &second);
    assert_unrelated(&first, &BrownianPath::new(6, 0, SHAPE).increment([0.2, 0.31]));
}

/// W(c) − W(a) = (W(b) − W(a)) + (W(c) − W(b)), whoever asks, in whatever order.
#[test]
fn a_path_is_the_same_in_any_steps() {
    let path = || BrownianPath::new(9, 3, [4, 4, 2]);
    let [a, b, c] = [0.1f64, 0.123_456, 0.7];
    let whole = path().increment([a, c]);
    let mut late_first = path();
    let late = late_first.increment([b, c]);
    let early = late_first.increment([a, b]);
    for (whole, (early, late)) in whole.iter().zip(early.iter().zip(&late)) {
        let sum = f64::from(*early) * (b - a).sqrt() + f64::from(*late) * (c - b).sqrt();
        assert!((f64::from(*whole) * (c - a).sqrt() - sum).abs() < 1e-6);
    }
}
