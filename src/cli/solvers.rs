//! `tenstep solvers`.

use clap::Args;
use serde_json::{Value, json};

use crate::solver::{self, Solver, Spacing};

/// The budget by which evaluations for each step are shown.
const BUDGET: usize = 100;

/// Lists every method with its other names, the order it is built for, what a step costs, and its options.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) {
    if arguments.json {
        let solvers: Vec<Value> = solver::all().map(as_json).collect();
        println!("{:#}", json!({ "solvers": solvers, "schedules": Spacing::NAMES }));
        return;
    }
    println!("{:<13} {:>5} {:>11}  options", "name", "order", "evaluations");
    for solver in solver::all() {
        let options: Vec<&str> = solver.options().iter().map(|spec| spec.name).collect();
        let (name, order) = (solver.name(), solver.order());
        println!("{name:<13} {order:>5} {:>11}  {}", evaluations_per_step(solver), options.join(", "));
    }
}

fn as_json(solver: &dyn Solver) -> Value {
    json!({
        "name": solver.name(),
        "aliases": solver.aliases(),
        "order": solver.order(),
        "evaluationsPerStep": evaluations_per_step(solver),
        "options": solver.options(),
    })
}

/// Of the steps that are neither a start nor an end.
fn evaluations_per_step(solver: &dyn Solver) -> usize {
    let stages = solver.stages(BUDGET, true).expect("no start takes so many evaluations");
    stages[stages.len() / 2]
}
