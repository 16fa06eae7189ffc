//! Memory that runs out in the midst of a run: the step is done again with one half of guidance after the other, and
//! the picture is that of a run which did so from there on, to the bit. At every call that the run makes of its device.

mod support;

use std::rc::Rc;
use std::thread;

use pollster::block_on;
use support::Checkpoint;
use support::limited::Limited;
use support::runs::{size, text};
use tenstep::burn::Cpu;
use tenstep::executor::Executor;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Loader, Model, Run, RunState};

const STEPS: usize = 5;
const IN_TURNS: &str = "Memory is short: the network is evaluated once with the prompt and once without";

fn limited<E: Executor>(inner: E) -> (Rc<Limited<E>>, Model<Limited<E>>) {
    let executor = Rc::new(Limited::new(inner));
    let model = block_on(loader(&executor).finish()).expect("a model");
    (executor, model)
}

/// The default model, its shards in a loader, the device waited for after each, as in a browser.
fn loader<E: Executor>(executor: &Rc<E>) -> Loader<E> {
    let Checkpoint { path, manifest } = Checkpoint::default_model();
    let mut loader = Loader::new(executor.clone(), manifest).expect("a good manifest");
    let shards: Vec<(usize, String)> =
        loader.shards().map(|(number, _, shard)| (number, shard.file.clone())).collect();
    for (number, file) in shards {
        let bytes = std::fs::read(path.with_file_name(file)).expect("a shard");
        loader.push_shard(number, &bytes).expect("a good shard");
        block_on(executor.settle(0)).expect("no complaint");
    }
    loader
}

fn options<E: Executor>(model: &Model<E>, solver: &str, more: &[(&str, Field)]) -> GenerateOptions {
    let mut fields = vec![
        ("prompt", text("a red apple")),
        ("negativePrompt", text("a leaf")),
        ("solver", text(solver)),
        ("steps", Field::Number(STEPS as f64)),
        ("seed", Field::Number(3.0)),
    ];
    // The smallest picture: what is tested does not depend on it, what it costs does.
    fields.extend(size(model, [2, 2]));
    fields.extend_from_slice(more);
    let fields: Vec<(String, Field)> =
        fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
    GenerateOptions::from_fields(&fields, model.limits()).expect("good options")
}

/// The states after 0, 1, 2, ... evaluations of a run that has memory enough.
fn states<E: Executor>(run: &mut Run<E>) -> Vec<RunState> {
    let mut states = vec![block_on(run.state()).expect("a state")];
    while !run.is_done() {
        block_on(run.step()).expect("a step");
        states.push(block_on(run.state()).expect("a state"));
    }
    assert_eq!(run.warnings(), [] as [String; 0]);
    states
}

fn finish<E: Executor>(run: &mut Run<E>) -> Vec<f32> {
    while !run.is_done() {
        block_on(run.step()).expect("a step");
    }
    block_on(run.latents()).expect("latents")
}

/// Latents of a run that goes on from each of `states` with one half after the other.
fn in_turns_from<E: Executor>(executor: E, options: &GenerateOptions, states: &[RunState]) -> Vec<Vec<f32>> {
    let model = block_on(loader(&Rc::new(executor)).in_halves().finish()).expect("a model");
    let from = |state: &RunState| {
        let mut run = block_on(model.start(options)).expect("a run");
        run.restore(state).expect("a state of these options");
        finish(&mut run)
    };
    states.iter().map(from).collect()
}

/// Has the memory run out at each call of a run in turn. Gives how often it did: a GPU is asked for what may have arrived as
/// often as its pace makes it.
fn every_call<E: Executor>(inner: impl Fn() -> E, solver: &str, more: &[(&str, Field)]) -> usize {
    let (executor, model) = limited(inner());
    let options = options(&model, solver, more);
    // All start while the model knows nothing of a shortage.
    let start = || block_on(model.start(&options)).expect("a run");
    let states = states(&mut start());
    let errors = &states[states.len() - 1].errors;
    assert!(errors.is_empty() || errors.iter().any(|error| *error > 1.0), "none is rejected: {errors:?}");
    let expected = in_turns_from(inner(), &options, &states);
    let mut undisturbed = start();
    executor.calls_with_room.set(usize::MAX);
    while !undisturbed.is_done() {
        block_on(undisturbed.step()).expect("a step");
    }
    let calls = usize::MAX - executor.calls_with_room.get();

    let mut runs: Vec<_> = (0..calls).map(|_| start()).collect();
    let mut shortages = 0;
    for (call, run) in runs.iter_mut().enumerate() {
        executor.calls_with_room.set(call);
        executor.calls_without_room.set(1);
        let mut from = 0;
        while !run.is_done() {
            if run.warnings().is_empty() {
                from = run.step_number();
            }
            block_on(run.step()).expect("a step");
        }
        if executor.calls_without_room.replace(0) == 1 {
            continue;
        }
        shortages += 1;
        let warnings = run.warnings();
        assert!(warnings.len() == 1 && warnings[0].starts_with(IN_TURNS), "{warnings:?}");
        assert_eq!(run.timings().steps.len(), run.step_number());
        let latents = block_on(run.latents()).expect("latents");
        assert!(latents == expected[from], "{solver}: call {call}, after {from} evaluations");
    }
    shortages
}

#[test]
fn a_step_that_finds_no_memory_is_done_again_in_turns() {
    let some = [("guidanceInterval", Field::Numbers(vec![0.3, 3.0]))];
    let rescaled = [("guidanceRescale", Field::Number(0.7))];
    // Attempts of an adaptive method are rejected, too.
    let strict = [
        ("steps", Field::Number(12.0)),
        (
            "solverOptions",
            Field::Fields(vec![("atol".into(), Field::Number(1e-6)), ("rtol".into(), Field::Number(1e-6))]),
        ),
    ];
    let all: [(&str, &[(&str, Field)]); 7] = [
        ("dpmpp-2m", &[]),
        ("dpmpp-2m-sde", &[]),
        ("euler-ancestral", &[]),
        ("unipc", &[]),
        ("heun", &some),
        ("dpmpp-3m", &rescaled),
        ("dpm-adaptive", &strict),
    ];
    thread::scope(|scope| {
        for (solver, more) in all {
            scope.spawn(move || {
                let shortages = every_call(Cpu::new, solver, more);
                println!("{solver}: {shortages} shortages");
                assert!(shortages >= 4 * STEPS, "{solver}: {shortages} shortages");
            });
        }
    });
}

#[test]
fn a_step_on_the_gpu_is_done_again_in_turns() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    let shortages = every_call(|| gpu.clone(), "dpmpp-2m-sde", &[("steps", Field::Number(3.0))]);
    assert!(shortages >= 3 * 3, "{shortages} shortages");
}

#[test]
fn a_shortage_of_the_last_step_is_not_taken_for_the_decoders() {
    // Where the states have arrived, the last is good; otherwise the run begins again.
    for has_full_ring in [false, true] {
        let (executor, model) = limited(Cpu::new());
        let options = options(&model, "dpmpp-2m", &[]);
        let start = || block_on(model.start(&options)).expect("a run");
        let states = states(&mut start());
        let expected = in_turns_from(Cpu::new(), &options, &states);
        let mut runs: Vec<_> = (0..=STEPS).map(|_| start()).collect();
        executor.has_full_ring.set(has_full_ring);
        for (evaluations, run) in runs.iter_mut().enumerate() {
            for _ in 0..evaluations {
                block_on(run.step()).expect("a step");
            }
            executor.calls_with_room.set(0);
            executor.calls_without_room.set(1);
            block_on(run.decode()).expect("a picture");
            assert_eq!(executor.calls_without_room.get(), 0);
            assert_eq!((run.step_number(), run.timings().steps.len()), (evaluations, evaluations));
            let warnings = run.warnings();
            assert!(warnings.len() == 1 && warnings[0].starts_with(IN_TURNS), "{warnings:?}");
            let from = if has_full_ring { 0 } else { evaluations };
            assert!(finish(run) == expected[from], "after {evaluations} evaluations");
        }
    }
}

#[test]
fn a_run_of_which_nothing_has_arrived_begins_again() {
    let (executor, model) = limited(Cpu::new());
    let options = options(&model, "dpmpp-3m", &[]);
    let start = || block_on(model.start(&options)).expect("a run");
    let (states, mut run) = (states(&mut start()), start());
    executor.has_full_ring.set(true);
    for _ in 1..STEPS {
        block_on(run.step()).expect("a step");
    }
    executor.calls_with_room.set(0);
    executor.calls_without_room.set(1);
    block_on(run.step()).expect("a step");
    assert!(run.is_done());
    assert_eq!(run.timings().steps.len(), STEPS);
    assert!(finish(&mut run) == in_turns_from(Cpu::new(), &options, &states[..1])[0]);
}

#[test]
fn a_run_that_starts_without_memory_goes_on_in_turns() {
    let (_, model) = limited(Cpu::new());
    let options = options(&model, "dpmpp-3m", &[]);
    let states = states(&mut block_on(model.start(&options)).expect("a run"));
    let expected = in_turns_from(Cpu::new(), &options, &states[..1]).swap_remove(0);
    // The text, and the wait for it.
    for call in 0..2 {
        let (executor, model) = limited(Cpu::new());
        executor.calls_with_room.set(call);
        executor.calls_without_room.set(1);
        let mut run = block_on(model.start(&options)).expect("a run");
        assert_eq!(executor.calls_without_room.get(), 0);
        assert!(run.warnings()[0].starts_with(IN_TURNS));
        assert!(finish(&mut run) == expected, "call {call}");
    }
}

#[test]
fn without_room_for_one_half_the_run_stays_where_it_stood() {
    let (executor, model) = limited(Cpu::new());
    let options = options(&model, "dpmpp-2m-sde", &[]);
    let start = || block_on(model.start(&options)).expect("a run");
    let states = states(&mut start());
    let cases = [(0, 2), (0, 3), (5, 2), (6, 4), (9, 3), (11, 7), (4 * STEPS - 1, 2)];
    let mut runs = cases.map(|_| start());
    let expected = in_turns_from(Cpu::new(), &options, &states);
    for ((calls, failures), run) in cases.into_iter().zip(&mut runs) {
        executor.calls_with_room.set(calls);
        executor.calls_without_room.set(failures);
        let (mut refused, mut from) = (0, 0);
        while !run.is_done() {
            let before = run.step_number();
            let Err(error) = block_on(run.step()) else { continue };
            assert_eq!(error.code(), "out-of-memory");
            (refused, from) = (refused + 1, before);
            let failures = executor.calls_without_room.replace(0);
            assert_eq!(run.step_number(), before);
            assert_eq!(block_on(run.state()).as_ref(), Ok(&states[before]), "after {before} evaluations");
            executor.calls_without_room.set(failures);
        }
        // One of them was met with the halves in turns.
        assert_eq!(refused, failures - 1);
        assert!(finish(run) == expected[from], "{failures} failures after {calls} calls");
    }
    // The model knows now.
    let mut run = start();
    assert!(run.warnings()[0].starts_with(IN_TURNS));
    assert!(finish(&mut run) == expected[0]);
}

#[test]
fn what_the_device_complains_of_after_a_load_that_found_no_memory_does_not_end_the_next() {
    let executor = Rc::new(Limited::new(Cpu::new()));
    executor.room_to_plan.set(0);
    executor.complains_again.set(true);
    let refused = block_on(loader(&executor).finish()).err().expect("there is no room");
    assert_eq!(refused.code(), "out-of-memory");
    executor.room_to_plan.set(usize::MAX);
    block_on(loader(&executor).finish()).expect("a model");
}
