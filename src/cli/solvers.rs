//! `tenstep solvers`.

use clap::Args;
use serde_json::{Value, json};

use super::print;
use crate::error::Result;
use crate::solver::{self, Convergence, SchedulerConfig, Solver, Spacing};

/// The budget by which evaluations for each step are shown.
const BUDGET: usize = 100;

/// Lists every method with its other names, the order it is built for and the one it shows, what a step costs, and
/// its options.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.json {
        let solvers: Vec<Value> = solver::all().map(as_json).collect();
        return print(&[format!(
            "{:#}",
            json!({
                "solvers": solvers,
                "optionsOfEveryMethod": solver::OF_EVERY_METHOD,
                "schedules": Spacing::NAMES,
            })
        )]);
    }
    let mut lines =
        vec![format!("{:<13} {:>5} {:>8} {:>11}  options", "name", "order", "measured", "evaluations")];
    for solver in solver::all() {
        let options: Vec<&str> = solver.options().iter().map(|spec| spec.name).collect();
        let (name, order) = (solver.name(), solver.order());
        let measured = measured_order(solver).map_or("-".to_owned(), |slope| format!("{slope:.2}"));
        let evaluations = evaluations_per_step(solver);
        lines.push(format!("{name:<13} {order:>5} {measured:>8} {evaluations:>11}  {}", options.join(", ")));
    }
    let shared: Vec<&str> = solver::OF_EVERY_METHOD.iter().map(|spec| spec.name).collect();
    lines.push(format!("every method, for models of pixels: {}", shared.join(", ")));
    print(&lines)
}

fn as_json(solver: &'static dyn Solver) -> Value {
    json!({
        "name": solver.name(),
        "aliases": solver.aliases(),
        "order": solver.order(),
        "measuredOrder": measured_order(solver),
        "evaluationsPerStep": evaluations_per_step(solver),
        "adaptive": solver.is_adaptive(),
        "options": solver.options(),
    })
}

/// On a flow in closed form, from a cold start; `None` where there is nothing to measure: see [`Convergence`].
fn measured_order(solver: &'static dyn Solver) -> Option<f64> {
    Convergence::of_method(solver)?.order(&SchedulerConfig::default()).ok()
}

/// Of the steps that are neither a start nor an end.
fn evaluations_per_step(solver: &dyn Solver) -> usize {
    let stages = solver.stages(BUDGET, true).expect("no start takes so many evaluations");
    stages[stages.len() / 2]
}
