//! What an adapter need not have.

use tenstep::executor::Executor;
use tenstep::gpu::Gpu;

/// Says that a test is left out for want of `what`. Mesa's lavapipe, on which the tests run everywhere, has it: there it is a failure.
pub fn leave_out(gpu: &Gpu, what: &str) {
    let device = gpu.report().device;
    assert!(!device.contains("llvmpipe"), "{device} has {what}, unless it is older than these tests");
    println!("left out: {device} has no {what}");
}
