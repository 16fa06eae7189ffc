//! Measuring a device: how long dispatches take, what it can do at best, how much memory it holds.
//!
//! Nothing here needs timestamp queries: dispatches are encoded beforehand, sent in a submission of their own and waited for,
//! and what a submission of nothing takes is taken off.

use std::rc::Rc;
use std::time::Instant;

use super::Gpu;
use crate::error::Result;
use crate::gpu::buffer::GpuBuffer;
use crate::gpu::device::Device;
use crate::gpu::kernels::{Binding, Dispatch, peak_copy, peak_fma};
use crate::gpu::pipelines::{Bound, ParamsBuffer, encode};
use crate::gpu::plan::Plan;

/// What wgpu tells of the adapter and the device.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
    pub name: String,
    /// `Cpu`, `IntegratedGpu`, `DiscreteGpu`, …
    pub kind: String,
    /// Whether it is a processor and no GPU: then times say nothing of GPUs.
    pub software: bool,
    /// `Vulkan`, `Metal`, `Dx12`.
    pub api: String,
    pub driver: String,
    pub shader_f16: bool,
    pub subgroups: bool,
    /// The threads that norms add up over without memory, if they do.
    pub subgroup_threads: Option<u32>,
    /// The largest binding and the largest buffer that plans use.
    pub max_binding_bytes: u64,
    pub max_buffer_bytes: u64,
    pub max_workgroup_memory_bytes: u32,
    pub max_workgroup_threads: u32,
}

/// What a device does at best, by kernels that do nothing else.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peaks {
    /// Of multiply-adds, each counted as two.
    pub gigaflops: f64,
    /// Of a copy, bytes read and bytes written.
    pub gigabytes: f64,
    /// Of a submission of nothing, waited for.
    pub empty_millis: f64,
}

/// Bytes of a device's buffers.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Now, and the most at once.
    pub held_bytes: u64,
    pub most_bytes: u64,
    /// What the driver set aside for them, where wgpu can tell.
    pub reserved_bytes: Option<u64>,
}

/// Workgroups of the arithmetic peak: few enough to be short on a processor, then enough to fill a large GPU several times.
const FMA_WORKGROUPS: [usize; 2] = [64, 4096];
const FMA_ROUNDS: usize = 64;
/// Towards b / (1 - a) = 1, so that no number becomes too small or too large on the way.
const FMA_FACTORS: [f32; 2] = [0.9375, 0.0625];
/// Bytes of each of the copy's two buffers: more than caches hold.
const COPY_BYTES: u64 = 128 << 20;
/// What is measured takes at least so long, where it can be repeated: much longer than a submission of nothing, and short
/// enough that some of the attempts are not disturbed by whatever else the machine does.
const ENOUGH_MILLIS: f64 = 4.0;
/// How often it is measured, to take the least: as often as fits a time, within bounds.
const ATTEMPTS: [usize; 2] = [4, 20];
const ATTEMPTS_MILLIS: f64 = 400.0;
/// What takes longer is measured once: nothing that lasts so long is disturbed all the time.
const LONG_MILLIS: f64 = 2000.0;
/// Dispatches of one submission at most, if one turn has not more.
const MAX_DISPATCHES: usize = 20_000;

impl Gpu {
    /// The name and the WGSL of each shader that was compiled so far, by name.
    pub fn shaders(&self) -> Vec<(String, String)> {
        self.0.pipelines.shaders()
    }

    /// What is known of the device.
    pub fn adapter(&self) -> Adapter {
        let device = &self.0.device;
        let (about, limits) = (device.raw().adapter_info(), device.raw().limits());
        Adapter {
            name: about.name,
            kind: format!("{:?}", about.device_type),
            software: device.info().software,
            api: format!("{:?}", about.backend),
            driver: format!("{} {}", about.driver, about.driver_info).trim().to_owned(),
            shader_f16: device.info().shader_f16,
            subgroups: device.raw().features().contains(wgpu::Features::SUBGROUP),
            subgroup_threads: device.subgroup(),
            max_binding_bytes: device.max_binding_bytes(),
            max_buffer_bytes: device.max_buffer_bytes(),
            max_workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            max_workgroup_threads: limits.max_compute_invocations_per_workgroup,
        }
    }

    /// Milliseconds that making pipelines took so far.
    pub fn compiling_millis(&self) -> f64 {
        self.0.pipelines.compiling_millis()
    }

    /// Bytes of this device's buffers.
    pub fn memory(&self) -> Memory {
        let device = &self.0.device;
        let report = device.raw().generate_allocator_report();
        Memory {
            held_bytes: device.meter().held(),
            most_bytes: device.meter().most(),
            reserved_bytes: report.map(|report| report.total_reserved_bytes),
        }
    }

    /// Milliseconds of the dispatches of `plan` at these places, one run of all of them: they take turns, so that each finds
    /// the caches full of the others' data. They run out of order, so the plan's outputs are of no use afterwards.
    pub fn time_dispatches(&self, plan: &Plan, places: &[usize], empty_millis: f64) -> Result<f64> {
        let bound = self.bound(&[plan]).remove(0);
        let turn: Vec<&Bound> = places.iter().map(|&place| &bound.dispatches()[place]).collect();
        self.time(&turn, empty_millis)
    }

    /// Milliseconds of a submission of nothing: the least.
    pub fn time_nothing(&self) -> Result<f64> {
        (0..50).try_fold(f64::INFINITY, |least, _| Ok(least.min(timed(&self.0.device, &[], 1)?)))
    }

    /// Measures what this device can do at best.
    pub async fn peaks(&self) -> Result<Peaks> {
        let empty_millis = self.time_nothing()?;
        let mut gigaflops = 0f64;
        for fused in [true, false] {
            gigaflops = gigaflops.max(self.fma_peak(fused, empty_millis).await?);
        }
        Ok(Peaks { gigaflops, gigabytes: self.copy_peak(empty_millis).await?, empty_millis })
    }

    async fn fma_peak(&self, fused: bool, empty_millis: f64) -> Result<f64> {
        let [mut workgroups, most] = FMA_WORKGROUPS;
        let mut rounds = FMA_ROUNDS;
        let y = self.buffer(4 * (most * peak_fma::THREADS) as u64)?;
        loop {
            let dispatch = peak_fma::dispatch(workgroups, rounds, fused, FMA_FACTORS, y.clone());
            let millis = self.time_one(dispatch, empty_millis).await?;
            if millis > ENOUGH_MILLIS / 2.0 || rounds > 1 << 22 {
                return Ok(peak_fma::flops(workgroups, rounds) as f64 / millis / 1e6);
            }
            if workgroups < most {
                workgroups *= 2;
            } else {
                rounds *= 2;
            }
        }
    }

    async fn copy_peak(&self, empty_millis: f64) -> Result<f64> {
        let most = (4 * peak_copy::MAX_ELEMENTS as u64).min(COPY_BYTES);
        let bytes = most.min(self.0.device.max_binding_bytes()) / 16 * 16;
        let buffers = [self.buffer(bytes)?, self.buffer(bytes)?];
        let millis = self.time_one(peak_copy::dispatch(bytes as usize / 4, buffers), empty_millis).await?;
        Ok(2.0 * bytes as f64 / millis / 1e6)
    }

    fn buffer(&self, bytes: u64) -> Result<Binding> {
        Ok(Binding::Buffer(Rc::new(GpuBuffer::new(&self.0.device, "peak", bytes)?)))
    }

    /// Milliseconds of a dispatch that binds buffers only.
    async fn time_one(&self, dispatch: Dispatch, empty_millis: f64) -> Result<f64> {
        let (bound, _params) = self.bind_one(&dispatch).await?;
        self.time(&[&bound], empty_millis)
    }

    /// A dispatch by itself that binds buffers only, and its parameters: they have to live as long, and so have the buffers.
    pub(super) async fn bind_one(&self, dispatch: &Dispatch) -> Result<(Bound, ParamsBuffer)> {
        let (device, pipelines) = (&self.0.device, &self.0.pipelines);
        pipelines.prepare(device, &[(dispatch.variant.clone(), dispatch.bindings.len())]).await?;
        let params = ParamsBuffer::new(device, std::slice::from_ref(dispatch))?;
        Ok((pipelines.bind_buffers(device, dispatch, &params.range(0)), params))
    }

    fn time(&self, turn: &[&Bound], empty_millis: f64) -> Result<f64> {
        let device = &self.0.device;
        let started = Instant::now();
        let mut once = timed(device, turn, 1)?;
        // That one warmed up, unless it took so long that it does not matter.
        if once < LONG_MILLIS {
            once = timed(device, turn, 1)?;
        }
        once -= empty_millis;
        let most = (MAX_DISPATCHES / turn.len().max(1)).max(1);
        let repeats = ((ENOUGH_MILLIS / once.max(1e-3)).ceil().max(1.0) as usize).min(most);
        let mut least = if repeats == 1 { once } else { f64::INFINITY };
        let fewest = if once > LONG_MILLIS { 0 } else { ATTEMPTS[0] };
        for attempt in 0..ATTEMPTS[1] {
            if attempt >= fewest && started.elapsed().as_secs_f64() * 1e3 > ATTEMPTS_MILLIS {
                break;
            }
            least = least.min((timed(device, turn, repeats)? - empty_millis) / repeats as f64);
        }
        Ok(least.max(1e-6))
    }
}

/// Milliseconds from handing over `repeats` turns, already encoded, until they are done.
fn timed(device: &Device, turn: &[&Bound], repeats: usize) -> Result<f64> {
    let mut encoder = device.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        encode(&mut pass, (0..repeats).flat_map(|_| turn.iter().copied()));
    }
    let commands = encoder.finish();
    // What was asked for before must not be waited for here.
    pollster::block_on(device.settle(0))?;
    let started = Instant::now();
    device.queue().submit([commands]);
    let waited = device.raw().poll(wgpu::PollType::wait_indefinitely());
    let millis = started.elapsed().as_secs_f64() * 1e3;
    device.check()?;
    waited.map_err(|error| crate::Error::Gpu { message: error.to_string() })?;
    Ok(millis)
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;
    use crate::executor::Executor;
    use crate::gpu::{GpuOptions, Tensor};

    #[test]
    fn the_peaks_are_those_of_kernels_that_do_what_they_say() -> Result<()> {
        let gpu = match block_on(Gpu::new(GpuOptions::default())) {
            Err(error) if std::env::var("TENSTEP_SKIP_GPU").is_ok_and(|value| value == "1") => {
                println!("skipped, as TENSTEP_SKIP_GPU=1 asks: {error}");
                return Ok(());
            }
            gpu => gpu?,
        };
        let binding = |tensor: &Tensor| Binding::Buffer(tensor.buffer().clone());
        let threads = 2 * peak_fma::THREADS;
        for fused in [true, false] {
            let y = gpu.tensor(&[threads])?;
            let dispatch = peak_fma::dispatch(2, 3, fused, [0.9375, 0.0625], binding(&y));
            block_on(gpu.time_one(dispatch, 0.0))?;
            for (a, b) in block_on(gpu.read(&y))?.iter().zip(peak_fma::plain(threads, 3, [0.9375, 0.0625])) {
                assert!((a - b).abs() <= 1e-4 * b.abs(), "{a} {b}");
            }
        }
        let values: Vec<f32> = (0..1200).map(|i| i as f32).collect();
        let (x, y) = (gpu.tensor(&[1200])?, gpu.tensor(&[1200])?);
        gpu.write(&x, &values)?;
        block_on(gpu.time_one(peak_copy::dispatch(1200, [binding(&x), binding(&y)]), 0.0))?;
        assert_eq!(block_on(gpu.read(&y))?, peak_copy::plain(&values));
        let peaks = block_on(gpu.peaks())?;
        assert!(peaks.gigaflops > 0.0 && peaks.gigabytes > 0.0, "{peaks:?}");
        let held = gpu.memory().held_bytes;
        drop((x, y));
        assert!(gpu.memory().held_bytes < held && gpu.memory().most_bytes >= held);
        Ok(())
    }
}
