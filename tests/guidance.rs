//! Guidance: how much, at which levels, and with what contrast.

mod support;

use support::relative_error;
use support::runs::{latents, model, options, text};
use tenstep::options::Field;
use tenstep::random::{Noise, Of, normals};
use tenstep::solver::{Guidance, NoiseLevel, Schedule, SchedulerConfig};

#[test]
fn guidance_is_a_linear_combination_above_one() {
    let new = |scale| Guidance::new(scale, 0.0, Guidance::EVERYWHERE);
    assert_eq!((new(4.0).cond, new(4.0).uncond), (4.0, Some(-3.0)));
    for scale in [0.0, 0.5, 1.0] {
        assert_eq!((new(scale).cond, new(scale).uncond), (1.0, None));
    }
}

#[test]
fn an_interval_is_open_below_and_closed_above() {
    let guidance = Guidance::new(4.0, 0.5, [0.5, 2.0]);
    let guides = |sigma: f64| guidance.at(NoiseLevel::from_sigma(sigma)).uncond.is_some();
    assert!(!guides(0.49) && guides(0.51) && guides(1.99) && !guides(2.01));
    assert!(Guidance::new(4.0, 0.0, Guidance::EVERYWHERE).at(NoiseLevel::CLEAN).uncond.is_none());
    let pure_noise = NoiseLevel { alpha: 0.0, sigma: 1.0 };
    assert!(Guidance::new(4.0, 0.0, Guidance::EVERYWHERE).at(pure_noise).uncond.is_some());
}

#[test]
fn outside_the_interval_the_prompt_alone_counts() {
    let model = model();
    let of = |scale: f64, interval: &[f64]| {
        let fields = [
            ("prompt", text("a red apple")),
            ("seed", Field::Number(3.0)),
            ("steps", Field::Number(5.0)),
            ("guidanceScale", Field::Number(scale)),
            ("guidanceInterval", Field::Numbers(interval.to_vec())),
        ];
        latents(&model, &options(&model, &fields))
    };
    let (everywhere, unguided) = (of(4.0, &Guidance::EVERYWHERE), of(1.0, &Guidance::EVERYWHERE));
    assert_eq!(of(4.0, &[0.0, 1e9]), everywhere);
    let nowhere = relative_error(&of(4.0, &[1e6, 1e7]), &unguided);
    assert!(nowhere < 1e-6, "{nowhere:e} from the run without guidance");
    let partly = of(4.0, &[0.3, 3.0]);
    assert!(relative_error(&partly, &everywhere) > 0.01 && relative_error(&partly, &unguided) > 0.01);
}

/// One evaluation to a clean sample, `alpha x − sigma v`, so `v` can be told from it. By hand: the guided `v`, times
/// what brings its deviation towards that of the prompt's.
#[test]
fn rescaling_moves_the_deviation_to_that_of_the_prompt() {
    let model = model();
    let of = |prompt: &str, scale: f64, rescale: f64| {
        let fields = [
            ("prompt", text(prompt)),
            ("seed", Field::Number(3.0)),
            ("steps", Field::Number(1.0)),
            ("solver", text("ddim")),
            ("guidanceScale", Field::Number(scale)),
            ("guidanceRescale", Field::Number(rescale)),
        ];
        latents(&model, &options(&model, &fields))
    };
    let level = Schedule::new(&SchedulerConfig::default()).expect("a schedule").level(999);
    let velocity = |latents: &[f32]| -> Vec<f64> {
        let noise =
            normals(Noise { seed: 3, sample: 0, of: Of::Step(0) }, [16, 16, latents.len() / (16 * 16)]);
        let of = |(x, d): (&f32, &f32)| (level.alpha * f64::from(*x) - f64::from(*d)) / level.sigma;
        noise.iter().zip(latents).map(of).collect()
    };
    let deviation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    };
    let (cond, uncond) = (velocity(&of("a red apple", 1.0, 0.0)), velocity(&of("", 1.0, 0.0)));
    let guided: Vec<f64> = cond.iter().zip(&uncond).map(|(c, u)| 4.0 * c - 3.0 * u).collect();
    for rescale in [0.0, 0.7, 1.0] {
        let factor = 1.0 + rescale * (deviation(&cond) / deviation(&guided) - 1.0);
        let by_hand: Vec<f32> = guided.iter().map(|value| (factor * value) as f32).collect();
        let ours: Vec<f32> =
            velocity(&of("a red apple", 4.0, rescale)).iter().map(|value| *value as f32).collect();
        let error = relative_error(&ours, &by_hand);
        println!("rescale {rescale}: factor {factor:.3}, {error:.1e} from by hand");
        assert!(factor < 0.99 || rescale == 0.0, "guidance would not have raised the deviation");
        assert!(error < 1e-5, "{error:e}");
    }
}
