//! A network's parameters as Burn's operations want them, in f32.

use std::cell::RefCell;
use std::collections::HashMap;

use burn_tensor::{Device, Tensor, TensorData};
use tenstep::graph::{Graph, Op, Value};
use tenstep::weights::{TensorInfo, dequantise};

use super::four;
use crate::stored::StoredForms;

/// The stored forms, by name. Each is uploaded when an operation asks for it, and then dropped.
pub struct Parameters<'a> {
    device: &'a Device,
    stored: RefCell<HashMap<&'a str, (&'a TensorInfo, Vec<u8>)>>,
}

impl<'a> Parameters<'a> {
    pub async fn new(
        device: &'a Device,
        tensors: &'a [TensorInfo],
        forms: &StoredForms,
    ) -> Result<Self, String> {
        let mut stored = HashMap::new();
        for info in tensors {
            stored.insert(info.name.as_str(), (info, forms.next(info).await?));
        }
        Ok(Self { device, stored: RefCell::new(stored) })
    }

    pub fn device(&self) -> &Device {
        self.device
    }

    /// `[N]`
    pub fn vector(&self, graph: &Graph, value: Value) -> Result<Tensor<1>, String> {
        let values = self.values(graph, value)?;
        let shape = [values.len()];
        Ok(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    /// The weight `[N, K]` or `[N, K, 1, 1]` of a linear map as Burn's own layer holds it: `[K, N]`.
    pub fn matrix(&self, graph: &Graph, value: Value) -> Result<Tensor<2>, String> {
        let [outputs, inputs] = [graph.shape(value)[0], graph.shape(value)[1]];
        let values = transposed(&self.values(graph, value)?, 1, outputs, inputs);
        Ok(Tensor::from_data(TensorData::new(values, [inputs, outputs]), self.device))
    }

    /// A table's rows `[V, D]`.
    pub fn table(&self, graph: &Graph, value: Value) -> Result<Tensor<2>, String> {
        let [rows, width] = [graph.shape(value)[0], graph.shape(value)[1]];
        Ok(Tensor::from_data(TensorData::new(self.values(graph, value)?, [rows, width]), self.device))
    }

    /// The weight `[O, C, kh, kw]` of a convolution, channels last in memory: Burn would bring it there at every evaluation.
    pub fn kernel(&self, graph: &Graph, value: Value) -> Result<Tensor<4>, String> {
        let [outputs, channels, height, width] = four(graph.shape(value))?;
        let values = transposed(&self.values(graph, value)?, outputs, channels, height * width);
        let last =
            Tensor::from_data(TensorData::new(values, [outputs, height, width, channels]), self.device);
        Ok(last.permute([0, 3, 1, 2]))
    }

    /// A parameter that is a value like others.
    pub fn value(&self, graph: &Graph, value: Value) -> Result<Tensor<4>, String> {
        let shape = four(graph.shape(value))?;
        Ok(Tensor::from_data(TensorData::new(self.values(graph, value)?, shape), self.device))
    }

    fn values(&self, graph: &Graph, value: Value) -> Result<Vec<f32>, String> {
        let Op::Parameter { name } = &graph.node(value).op else {
            return Err("a weight that is computed is not supported".to_owned());
        };
        let stored = self.stored.borrow_mut().remove(name.as_str());
        let (info, form) =
            stored.ok_or_else(|| format!("tensor {name} is missing, or was asked for twice"))?;
        Ok(dequantise(info, &form))
    }
}

/// `[count, rows, columns]` to `[count, columns, rows]`.
fn transposed(values: &[f32], count: usize, rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for matrix in values.chunks_exact(values.len() / count) {
        for column in 0..columns {
            out.extend((0..rows).map(|row| matrix[row * columns + column]));
        }
    }
    out
}
