//! The noise is the paper's, and the same that the Python reference draws (tests/goldens/random).

use serde::Deserialize;
use tenstep::random::{Noise, normals, philox4x32};

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
        let noise = Noise { seed, sample: draw.sample, step: draw.step };
        assert_eq!(noise.words(0), draw.first, "{noise:?}");
        assert_eq!(noise.words(u32::MAX), draw.far, "{noise:?}");

        // 13 elements: three blocks and one element of a fourth.
        let latents = normals(seed, draw.sample, draw.step, 1, 13, 1);
        for (index, (ours, theirs)) in latents.iter().zip(&draw.normals).enumerate() {
            assert!((f64::from(*ours) - theirs).abs() <= 1e-6, "{noise:?}, element {index}: {ours} {theirs}");
        }
    }
}

#[test]
fn elements_are_numbered_channels_first() {
    let (channels, pixels) = (3, 10);
    let first = normals(7, 0, 0, 1, channels * pixels, 1);
    let last = normals(7, 0, 0, 2, 5, channels);
    for channel in 0..channels {
        for pixel in 0..pixels {
            assert_eq!(last[pixel * channels + channel], first[channel * pixels + pixel]);
        }
    }
}

#[test]
fn normals_are_normal_and_streams_differ() {
    let draw = |seed, sample, step| normals(seed, sample, step, 128, 128, 4);
    let base = draw(1, 0, 0);
    let moment =
        |power: i32| base.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>() / base.len() as f64;
    // Standard errors of the first four moments of 65,536 normals: 0.004, 0.006, 0.015, 0.04; four of each.
    for (power, expected, error) in [(1, 0.0, 0.016), (2, 1.0, 0.022), (3, 0.0, 0.06), (4, 3.0, 0.16)] {
        assert!((moment(power) - expected).abs() < error, "moment {power}: {}", moment(power));
    }
    for other in [draw(2, 0, 0), draw(1 << 32, 0, 0), draw(1, 1, 0), draw(1, 0, 1)] {
        let products = base.iter().zip(&other).map(|(a, b)| f64::from(a * b));
        let correlation = products.sum::<f64>() / base.len() as f64;
        assert!(correlation.abs() < 0.016, "correlation {correlation}");
    }
}
