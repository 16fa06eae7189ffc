//! Stochastic methods with a Brownian path: the same seed nears one picture as steps become short, which with
//! independent noise it does not.

mod support;

use std::thread;

use support::relative_error;
use support::runs::{latents, model, options, text};
use tenstep::burn::Cpu;
use tenstep::options::Field;
use tenstep::pipeline::Model;

/// A single path may end between two pictures that the model knows, where little decides.
const SEEDS: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];
/// With the evaluations of a step.
const SOLVERS: [(&str, f64); 3] = [("dpmpp-2m-sde", 1.0), ("dpmpp-3m-sde", 1.0), ("dpmpp-sde", 2.0)];

/// How far pictures of one seed lie apart.
struct Distances {
    /// From 20 to 40 steps with independent noise.
    independent: f64,
    /// From 10 to 20 steps of each solver, and from 20 to 40.
    brownian: [[f64; 2]; SOLVERS.len()],
}

#[test]
fn a_seed_nears_one_picture_whatever_the_steps() {
    let seeds = thread::scope(|scope| {
        SEEDS.map(|seed| scope.spawn(move || distances(seed))).map(|thread| thread.join().expect("distances"))
    });
    let independent = median(seeds.each_ref().map(|seed| seed.independent));
    println!("20 to 40 steps with independent noise {independent:.2}");
    for (index, (solver, _)) in SOLVERS.into_iter().enumerate() {
        let changes = seeds.each_ref().map(|seed| seed.brownian[index]);
        let [long, short] = [0, 1].map(|index| median(changes.map(|change| change[index])));
        println!("{solver}: 10 to 20 steps {long:.2}, 20 to 40 {short:.2}, {changes:.2?}");
        assert!(short < 0.8 * long, "{solver}: steps of half the length are nearer");
        assert!(short < 0.5 * independent, "{solver}");
    }
}

fn distances(seed: f64) -> Distances {
    let model = model();
    let [some, many] =
        [20.0, 40.0].map(|steps| picture(&model, "dpmpp-2m-sde", Some("independent"), seed, steps));
    Distances {
        independent: relative_error(&some, &many),
        brownian: SOLVERS.map(|(solver, evaluations)| {
            let [few, some, many] =
                [10.0, 20.0, 40.0].map(|steps| picture(&model, solver, None, seed, evaluations * steps));
            [relative_error(&few, &some), relative_error(&some, &many)]
        }),
    }
}

fn picture(model: &Model<Cpu>, solver: &str, noise_sampler: Option<&str>, seed: f64, steps: f64) -> Vec<f32> {
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
    latents(model, &options(model, &fields))
}

fn median(mut values: [f64; 5]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[2]
}
