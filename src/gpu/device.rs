//! The adapter and its device: limits, features, errors, and the end of submitted work.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use super::fault::Faults;
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::executor::Arithmetic;

/// What may be asked of [`super::Gpu::new`]. The defaults suit everybody; tests lower the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuOptions {
    /// Bytes of one binding that are used at most, even if the device offers more.
    pub max_binding_bytes: Option<u64>,
    /// Bytes of one buffer that are used at most, even if the device offers more.
    pub max_buffer_bytes: Option<u64>,
    /// Whether the device has more threads than a small product has tiles, so that these are made small, and two groups of threads share
    /// the sums of one. By default so of all but software adapters.
    pub many_threads: Option<bool>,
    /// What products are computed in. A device that cannot, or has few threads, computes in f32 all the same.
    pub arithmetic: Arithmetic,
    /// Whether norms add up by subgroups, on a device that has many threads, and subgroups of threads that follow each other. It has not been
    /// timed on a GPU, so it is no default. In browsers wgpu offers none.
    pub subgroups: bool,
}

/// What is known of the adapter. Browsers hide most of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its own name; empty in a browser.
    pub name: String,
    /// Whether it is a processor and no GPU.
    pub software: bool,
    /// Whether it offers 16-bit arithmetic.
    pub shader_f16: bool,
}

/// Binding and buffer sizes that are worth asking for: a 512-pixel decoder's largest tensor is 256 MiB.
const USEFUL_BYTES: u64 = 1 << 30;

/// How long a browser may take to say that a device is lost.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
const LOSS_PATIENCE_MILLIS: u32 = 250;

/// Of WGSL. Natively wgpu has it for all devices.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
const INTEGER_DOT_PRODUCT: &str = "packed_4x8_integer_dot_product";

/// A device and its queue.
pub struct Device {
    raw: wgpu::Device,
    queue: wgpu::Queue,
    faults: Faults,
    info: DeviceInfo,
    many_threads: bool,
    arithmetic: Arithmetic,
    max_binding_bytes: u64,
    max_buffer_bytes: u64,
    /// One for each submission that may still run, oldest first, and what wgpu knows it by.
    unfinished: RefCell<VecDeque<(Signal<()>, Option<wgpu::SubmissionIndex>)>>,
    #[cfg(feature = "native")]
    meter: std::rc::Rc<super::buffer::Meter>,
    /// The least threads of a subgroup, where subgroups are used.
    subgroup: std::cell::Cell<Option<u32>>,
    /// Whether the browser has to be nudged to see that work is done.
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    needs_nudges: std::cell::Cell<bool>,
}

/// A wait this long with nothing to do, in milliseconds, is a poll of the browser's own.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
const POLL_MILLIS: f64 = 50.0;

impl Device {
    /// Asks for the fastest adapter and a device with no more than the kernels use.
    ///
    /// Errors: there is no adapter, or it refuses a device.
    pub async fn new(options: &GpuOptions) -> Result<Self> {
        let unavailable = |reason: String| Error::WebgpuUnavailable { reason };
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            })
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let offered = adapter.limits();
        let mut limits = wgpu::Limits::default();
        limits.max_buffer_size = offered.max_buffer_size.min(USEFUL_BYTES).max(limits.max_buffer_size);
        limits.max_storage_buffer_binding_size = offered
            .max_storage_buffer_binding_size
            .min(USEFUL_BYTES)
            .max(limits.max_storage_buffer_binding_size);
        let shader_f16 = adapter.features().contains(wgpu::Features::SHADER_F16);
        let arithmetic = match options.arithmetic {
            Arithmetic::F16 if !shader_f16 => Arithmetic::F32,
            #[cfg(all(target_arch = "wasm32", feature = "web"))]
            Arithmetic::Int8 if !super::browser::has_language_feature(INTEGER_DOT_PRODUCT) => Arithmetic::F32,
            wanted => wanted,
        };
        let mut wanted = wgpu::Features::empty();
        wanted.set(wgpu::Features::SHADER_F16, arithmetic == Arithmetic::F16);
        wanted.set(wgpu::Features::SUBGROUP, options.subgroups);
        let required_features = wanted & adapter.features();
        let (raw, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("tenstep"),
                required_features,
                required_limits: limits.clone(),
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                ..Default::default()
            })
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let about = adapter.get_info();
        #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
        let software = about.device_type == wgpu::DeviceType::Cpu;
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        let software = super::browser::is_fallback(&raw);
        let info = DeviceInfo { name: about.name, software, shader_f16 };
        let many_threads = options.many_threads.unwrap_or(!software);
        let device = Self {
            raw,
            queue,
            faults: Faults::default(),
            info,
            many_threads,
            arithmetic: if many_threads { arithmetic } else { Arithmetic::F32 },
            max_binding_bytes: limits
                .max_storage_buffer_binding_size
                .min(options.max_binding_bytes.unwrap_or(u64::MAX)),
            max_buffer_bytes: limits.max_buffer_size.min(options.max_buffer_bytes.unwrap_or(u64::MAX)),
            unfinished: RefCell::default(),
            #[cfg(feature = "native")]
            meter: std::rc::Rc::default(),
            subgroup: std::cell::Cell::new(
                (many_threads && required_features.contains(wgpu::Features::SUBGROUP))
                    .then_some(about.subgroup_min_size),
            ),
            #[cfg(all(target_arch = "wasm32", feature = "web"))]
            needs_nudges: std::cell::Cell::default(),
        };
        device.listen();
        Ok(device)
    }

    #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
    fn listen(&self) {
        let faults = self.faults.clone();
        self.raw.on_uncaptured_error(std::sync::Arc::new(move |error: wgpu::Error| {
            faults.record(match error {
                wgpu::Error::OutOfMemory { source } => Error::OutOfMemory { message: source.to_string() },
                other => Error::Gpu { message: other.to_string() },
            });
        }));
        let faults = self.faults.clone();
        self.raw.set_device_lost_callback(move |reason, message| {
            faults.lose(if message.is_empty() { format!("{reason:?}") } else { message });
        });
    }

    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    fn listen(&self) {
        super::browser::listen(&self.raw, &self.faults);
    }

    /// The wgpu device.
    pub fn raw(&self) -> &wgpu::Device {
        &self.raw
    }

    /// Counts the bytes of this device's buffers.
    #[cfg(feature = "native")]
    pub fn meter(&self) -> &std::rc::Rc<super::buffer::Meter> {
        &self.meter
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// What is known of the adapter.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Whether the device has more threads than a small product has tiles.
    pub fn has_many_threads(&self) -> bool {
        self.many_threads
    }

    /// The least threads of a subgroup, where subgroups are used.
    pub fn subgroup(&self) -> Option<u32> {
        self.subgroup.get()
    }

    /// Goes without subgroups from now on.
    #[cfg(feature = "native")]
    pub fn give_up_subgroups(&self) {
        self.subgroup.set(None);
    }

    /// What products are computed in.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The largest buffer, in bytes.
    pub fn max_buffer_bytes(&self) -> u64 {
        self.max_buffer_bytes
    }

    /// The most bytes that one binding can show a shader.
    pub fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes.min(self.max_buffer_bytes)
    }

    /// An error if `bytes` do not fit one binding.
    pub fn require_binding(&self, what: &str, bytes: u64) -> Result<()> {
        let (limit, available) = if self.max_binding_bytes <= self.max_buffer_bytes {
            ("maxStorageBufferBindingSize", self.max_binding_bytes)
        } else {
            ("maxBufferSize", self.max_buffer_bytes)
        };
        if bytes <= available {
            return Ok(());
        }
        Err(Error::LimitTooSmall { limit: format!("{limit} (for {what})"), required: bytes, available })
    }

    /// An error if `bytes` do not fit one buffer.
    pub fn require_buffer(&self, what: &str, bytes: u64) -> Result<()> {
        if bytes <= self.max_buffer_bytes {
            return Ok(());
        }
        let limit = format!("maxBufferSize (for {what})");
        Err(Error::LimitTooSmall { limit, required: bytes, available: self.max_buffer_bytes })
    }

    /// Reports what the device complained about.
    pub fn check(&self) -> Result<()> {
        self.faults.check()
    }

    fn loss(&self) -> Error {
        let unknown = || Error::DeviceLost { message: "the device stopped answering".to_owned() };
        self.check().err().unwrap_or_else(unknown)
    }

    /// Gives the device back at once, whatever still runs. Everything later fails as on a lost device.
    pub fn destroy(&self) {
        self.faults.lose("it was given back".to_owned());
        self.raw.destroy();
    }

    /// Why a buffer could not be mapped. A browser may say that the device is lost only after it refuses the mapping.
    pub async fn refused_mapping(&self) -> Error {
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        super::browser::pause(LOSS_PATIENCE_MILLIS).await;
        let refused = || Error::Gpu { message: "a buffer could not be read back".to_owned() };
        self.check().err().unwrap_or_else(refused)
    }

    /// Hands commands to the device, in one submission.
    pub fn submit(&self, commands: Vec<wgpu::CommandBuffer>) {
        let index = self.queue.submit(commands);
        self.note_submission(Some(index));
    }

    /// Something was handed to the queue: its end is waited for like that of the others.
    pub fn note_submission(&self, index: Option<wgpu::SubmissionIndex>) {
        let finished = Signal::new();
        let signal = finished.clone();
        self.queue.on_submitted_work_done(move || signal.set(()));
        self.poll();
        let mut unfinished = self.unfinished.borrow_mut();
        while unfinished.front().is_some_and(|(finished, _)| finished.is_set()) {
            unfinished.pop_front();
        }
        unfinished.push_back((finished, index));
    }

    /// An encoder.
    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Lets callbacks of finished work run. In a browser they run by themselves.
    pub fn poll(&self) {
        // A lost device is reported through its callback.
        let _ = self.raw.poll(wgpu::PollType::Poll);
    }

    /// Waits until at most `in_flight` submissions are unfinished.
    pub async fn settle(&self, in_flight: usize) -> Result<()> {
        loop {
            let oldest = {
                let mut unfinished = self.unfinished.borrow_mut();
                if unfinished.len() <= in_flight {
                    return self.check();
                }
                unfinished.pop_front()
            };
            if let Some((signal, index)) = oldest {
                // Natively a wait that does not say so is for the latest, and in a browser this one is none. What fails is reported below.
                let _ = self.raw.poll(wgpu::PollType::Wait { submission_index: index, timeout: None });
                self.arrival(&signal).await?;
            }
        }
    }

    /// Finds out how this browser waits. Firefox looks every 100 ms whether work is done, and whenever something is submitted
    /// (<https://bugzilla.mozilla.org/show_bug.cgi?id=1870699>): there, waits submit nothing again and again.
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    pub async fn learn_to_wait(&self) -> Result<()> {
        // The first wait ends anywhere between two looks, those after it last from one look to the next. Two of them:
        // one may have waited for a busy machine.
        for attempt in 0..3 {
            let started = crate::host::now_millis();
            let idle = Signal::new();
            let signal = idle.clone();
            self.queue.on_submitted_work_done(move || signal.set(()));
            self.arrival(&idle).await?;
            if attempt > 0 && crate::host::now_millis() - started < POLL_MILLIS {
                return Ok(());
            }
        }
        self.needs_nudges.set(true);
        Ok(())
    }

    /// What a callback of the device hands over, when it comes.
    ///
    /// Errors: the device is lost, so that it will not come.
    pub async fn arrival<T>(&self, signal: &Signal<T>) -> Result<T> {
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        while self.needs_nudges.get() && !signal.is_set() && !self.faults.is_lost() {
            self.queue.submit([]);
            super::browser::pause(1).await;
        }
        // A browser's event loop brings it; a native device has to be waited on.
        #[cfg(not(target_arch = "wasm32"))]
        while !signal.is_set() {
            if let Err(error) = self.raw.poll(wgpu::PollType::wait_indefinitely()) {
                self.check()?;
                return Err(Error::Gpu { message: error.to_string() });
            }
        }
        poll_fn(|context| match signal.poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.faults.poll_lost(context) => Poll::Ready(Err(self.loss())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Reports complaints about everything asked of the device so far, which in a browser takes a round trip to
    /// the process that drives the GPU.
    pub async fn settled_check(&self) -> Result<()> {
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        super::browser::round_trip(&self.raw, &self.faults).await;
        self.check()
    }
}
