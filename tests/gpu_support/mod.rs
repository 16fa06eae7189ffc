//! What the GPU tests share: an adapter, random numbers, a model's parameters in any storage type, and the
//! comparison with the f64 interpreter.

#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod lacking;

use std::collections::HashMap;

use tenstep::executor::{Command, Executor};
use tenstep::gpu::{Gpu, GpuOptions, Plan, Weights};
use tenstep::graph::{Array, Graph, interpret};
use tenstep::weights::{DType, TensorInfo, dequantise};
use tenstep::{Error, Result};

/// A device, or `None` after saying so if TENSTEP_SKIP_GPU=1 asks for that. Without it a missing adapter is a failure.
pub fn gpu_with(options: GpuOptions) -> Option<Gpu> {
    if std::env::var_os("TENSTEP_SKIP_GPU").is_some_and(|value| value == "1") {
        eprintln!("SKIPPED: TENSTEP_SKIP_GPU=1");
        return None;
    }
    match pollster::block_on(Gpu::new(options)) {
        Ok(gpu) => Some(gpu),
        Err(error) => panic!(
            "these tests need a GPU adapter, and there is none ({error}). A software one such as Mesa's lavapipe will do; \
             TENSTEP_SKIP_GPU=1 skips them."
        ),
    }
}

/// One that runs what a GPU would run, whatever it is. The browsers' tests run what a software adapter runs.
pub fn gpu() -> Option<Gpu> {
    gpu_with(GpuOptions { many_threads: Some(true), ..GpuOptions::default() })
}

/// Small numbers from a linear congruential generator: the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % end
    }

    /// Roughly normal, with variance 1: the sum of twelve uniforms.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.below(1 << 24) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }

    pub fn normals(&mut self, shape: &[usize], scale: f32) -> Vec<f32> {
        (0..shape.iter().product()).map(|_| scale * self.normal()).collect()
    }
}

/// The stored form of `values`.
pub fn stored(info: &TensorInfo, values: &[f32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = match info.dtype {
        DType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F16 => values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect(),
        DType::Int8 => {
            let row = values.len() / info.rows();
            let scale = |row: &[f32]| row.iter().fold(1e-9f32, |most, value| most.max(value.abs())) / 127.0;
            let scales = values.chunks(row).flat_map(|row| scale(row).to_le_bytes());
            let quantised = values.chunks(row).flat_map(|row| {
                let scale = scale(row);
                row.iter().map(move |value| (value / scale).round() as i8 as u8)
            });
            scales.chain(quantised).collect()
        }
        DType::Int4 => {
            let (row, taps) = (values.len() / info.rows(), info.shape.iter().skip(2).product::<usize>());
            let groups = || values.chunks(row).flat_map(|row| row.chunks(32 * taps));
            let scale = |group: &[f32]| {
                half::f16::from_f32(group.iter().fold(0f32, |most, value| most.max(value.abs())) / 7.0)
            };
            let mut bytes: Vec<u8> = groups().flat_map(|group| scale(group).to_le_bytes()).collect();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let quantised = groups().flat_map(|group| {
                let scale = scale(group).to_f32();
                group.iter().map(move |value| (value / scale).round().clamp(-7.0, 7.0) as i8 as u8 & 15)
            });
            let nibbles: Vec<u8> = quantised.collect();
            bytes.extend(nibbles.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4)));
            bytes
        }
    };
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A graph's inputs and parameters.
pub struct Case {
    pub graph: Graph,
    pub inputs: HashMap<String, Vec<f32>>,
    pub parameters: Vec<(TensorInfo, Vec<u8>)>,
}

impl Case {
    /// Random inputs of variance 1, and parameters in `dtype` small enough that sums keep a variance near 1.
    pub fn random(graph: Graph, dtype: DType, seed: u64) -> Self {
        Self::of_types(graph, |_| dtype, seed)
    }

    /// The same with a storage type for each parameter, by its name.
    pub fn of_types(graph: Graph, dtype: impl Fn(&str) -> DType, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let inputs = graph
            .inputs()
            .map(|(name, value)| (name.to_owned(), random.normals(graph.shape(value), 1.0)))
            .collect();
        let parameters = graph
            .parameters()
            .map(|(name, value)| {
                let shape = graph.shape(value).to_vec();
                let fan_in: usize = shape.iter().skip(1).product();
                let values = random.normals(&shape, 1.0 / (fan_in as f32).sqrt());
                let info = TensorInfo { name: name.to_owned(), shape, dtype: dtype(name) };
                let bytes = stored(&info, &values);
                (info, bytes)
            })
            .collect();
        Self { graph, inputs, parameters }
    }

    /// Parameters on the device, pushed in two parts each.
    pub fn weights(&self, gpu: &Gpu) -> Result<Weights> {
        let infos: Vec<TensorInfo> = self.parameters.iter().map(|(info, _)| info.clone()).collect();
        let mut weights = gpu.weights(&infos)?;
        for (index, (_, bytes)) in self.parameters.iter().enumerate() {
            let (head, tail) = bytes.split_at(bytes.len() / 8 * 4);
            gpu.push(&mut weights, index, head.len() as u64, tail)?;
            gpu.push(&mut weights, index, 0, head)?;
        }
        Ok(weights)
    }

    /// Runs the graph once on the device; outputs by name.
    pub fn run(&self, gpu: &Gpu) -> Result<HashMap<String, Vec<f32>>> {
        let weights = self.weights(gpu)?;
        let plan = pollster::block_on(gpu.plan(&self.graph, &weights))?;
        self.evaluate(gpu, &plan)
    }

    /// Evaluates a plan of this case.
    pub fn evaluate(&self, gpu: &Gpu, plan: &Plan) -> Result<HashMap<String, Vec<f32>>> {
        for (name, values) in &self.inputs {
            gpu.write(gpu.input(plan, name).expect("an input of the graph"), values)?;
        }
        gpu.submit(&[Command::Evaluate(plan)])?;
        self.graph
            .outputs()
            .map(|(name, _)| {
                let tensor = gpu.output(plan, name).expect("an output of the graph");
                Ok((name.to_owned(), pollster::block_on(gpu.read(tensor))?))
            })
            .collect()
    }

    /// What the f64 interpreter makes of the same inputs and the parameters as stored.
    pub fn expected(&self) -> Result<HashMap<String, Vec<f64>>> {
        let mut values = HashMap::new();
        for (name, value) in self.graph.inputs() {
            let data = self.inputs[name].iter().map(|value| f64::from(*value)).collect();
            values.insert(name.to_owned(), Array::new(self.graph.shape(value), data));
        }
        for (info, bytes) in &self.parameters {
            let data = dequantise(info, bytes).into_iter().map(f64::from).collect();
            values.insert(info.name.clone(), Array::new(&info.shape, data));
        }
        Ok(interpret(&self.graph, &values)?.into_iter().map(|(name, array)| (name, array.data)).collect())
    }

    /// The largest relative error over the outputs.
    pub fn error(&self, gpu: &Gpu) -> Result<f64> {
        let (actual, expected) = (self.run(gpu)?, self.expected()?);
        Ok(expected.iter().map(|(name, values)| relative_error(&actual[name], values)).fold(0.0, f64::max))
    }
}

/// Norm of the difference over the norm; infinite if anything is not finite or missing.
pub fn relative_error(actual: &[f32], expected: &[f64]) -> f64 {
    if actual.len() != expected.len() || actual.iter().any(|value| !value.is_finite()) {
        return f64::INFINITY;
    }
    let difference: f64 = actual.iter().zip(expected).map(|(a, e)| (f64::from(*a) - e).powi(2)).sum();
    let norm: f64 = expected.iter().map(|value| value * value).sum();
    (difference / norm.max(1e-30)).sqrt()
}

/// Fails unless `result` is an error with this code.
pub fn assert_code<T>(result: Result<T>, code: &str) -> Error {
    match result {
        Ok(_) => panic!("expected an error with code {code}"),
        Err(error) => {
            assert_eq!(error.code(), code, "{error}");
            error
        }
    }
}
