//! The arithmetic peak; see peak_fma.wgsl.

use super::{Binding, Dispatch, Kernel, Variant};

/// Threads of a workgroup.
pub const THREADS: usize = 256;
const CHAINS: usize = 12;
const STEPS: usize = 8;

/// `rounds` rounds in each of `workgroups` workgroups. `fused` asks for `fma()`, else a product and a sum are left to the
/// driver to join: which of them is fast depends on it.
pub fn dispatch(workgroups: usize, rounds: usize, fused: bool, [a, b]: [f32; 2], y: Binding) -> Dispatch {
    Dispatch {
        variant: Variant::of(Kernel::PeakFma).switch("FUSED", fused),
        bindings: vec![y],
        params: vec![rounds as u32, a.to_bits(), b.to_bits()],
        workgroups: [workgroups as u32, 1, 1],
    }
}

/// Operations of such a dispatch.
pub fn flops(workgroups: usize, rounds: usize) -> u64 {
    2 * (CHAINS * STEPS * THREADS * workgroups * rounds) as u64
}

/// The twin.
pub fn plain(threads: usize, rounds: usize, [a, b]: [f32; 2]) -> Vec<f32> {
    let chain = |start: usize| (0..STEPS * rounds).fold(start as f32, |z, _| z.mul_add(a, b));
    (0..threads).map(|thread| (0..CHAINS).map(|k| chain(thread + k)).sum()).collect()
}
