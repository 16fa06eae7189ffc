//! Stochastic methods with a Brownian path: the same seed nears one picture as steps become short, which with
//! independent noise it does not.

mod support;

use support::relative_error;
use support::runs::{latents, model, options, text};
use tenstep::options::Field;

/// A single path may end between two pictures that the model knows, where little decides.
const SEEDS: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];

#[test]
fn a_seed_nears_one_picture_whatever_the_steps() {
    let model = model();
    let of = |solver: &str, noise_sampler: Option<&str>, seed: f64, steps: f64| {
        let mut fields = vec![
            ("prompt", text("a red apple")),
            ("seed", Field::Number(seed)),
            ("guidanceScale", Field::Number(1.0)),
            ("solver", text(solver)),
            ("schedule", text("exponential")),
            ("steps", Field::Number(steps)),
        ];
        let sampler = noise_sampler.map(|name| vec![("noise_sampler".to_owned(), text(name))]);
        fields.extend(sampler.map(|option| ("solverOptions", Field::Fields(option))));
        latents(&model, &options(&model, &fields))
    };
    let independent = median(SEEDS.map(|seed| {
        let [some, many] = [20.0, 40.0].map(|steps| of("dpmpp-2m-sde", Some("independent"), seed, steps));
        relative_error(&some, &many)
    }));
    println!("20 to 40 steps with independent noise {independent:.2}");
    for (solver, evaluations) in [("dpmpp-2m-sde", 1.0), ("dpmpp-3m-sde", 1.0), ("dpmpp-sde", 2.0)] {
        let changes = SEEDS.map(|seed| {
            let [few, some, many] =
                [10.0, 20.0, 40.0].map(|steps| of(solver, None, seed, evaluations * steps));
            [relative_error(&few, &some), relative_error(&some, &many)]
        });
        let [long, short] = [0, 1].map(|index| median(changes.map(|change| change[index])));
        println!("{solver}: 10 to 20 steps {long:.2}, 20 to 40 {short:.2}, {changes:.2?}");
        assert!(short < 0.8 * long, "{solver}: steps of half the length are nearer");
        assert!(short < 0.5 * independent, "{solver}");
    }
}

fn median(mut values: [f64; 5]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[2]
}
