//! A plan's inputs and outputs by the names that our graphs give them.

use crate::executor::Executor;

/// The tensor of an input.
pub(super) fn input<'a, E: Executor>(executor: &E, plan: &'a E::Plan, name: &str) -> &'a E::Tensor {
    executor.input(plan, name).expect("our graphs declare the inputs that the pipeline writes")
}

/// The tensor of an output.
pub(super) fn output<'a, E: Executor>(executor: &E, plan: &'a E::Plan, name: &str) -> &'a E::Tensor {
    executor.output(plan, name).expect("our graphs declare the outputs that the pipeline reads")
}
