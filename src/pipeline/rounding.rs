//! Matrices that are stored as f32 or f16, rounded to int8 on their way to a device that has no room for them as they are.

use crate::error::{Error, Result};
use crate::weights::{DType, Manifest, Piece, TensorInfo, is_large, to_int8};

/// Tensors of which some bytes have come: few, as shards come almost in order. A row's scale is known once all of it is there.
#[derive(Default)]
pub(super) struct Rounding(Vec<Partial>);

struct Partial {
    component: usize,
    tensor: usize,
    stored: Vec<u8>,
    received: usize,
}

impl Rounding {
    /// How a tensor is held by the device: large ones as int8, the others as they are stored.
    pub fn info(info: &TensorInfo) -> TensorInfo {
        TensorInfo { dtype: if is_rounded(info) { DType::Int8 } else { info.dtype }, ..info.clone() }
    }

    /// Whether anything of a model that has to be there would be rounded.
    pub fn applies_to(manifest: &Manifest) -> bool {
        let loaded = manifest.components.iter().filter(|component| !component.lazy);
        loaded.flat_map(|component| &component.tensors).any(is_rounded)
    }

    /// Takes a piece of a tensor. The rounded stored form, once that is complete.
    pub fn take(&mut self, info: &TensorInfo, piece: &Piece<'_>) -> Result<Option<Vec<u8>>> {
        let &Piece { component, tensor, offset, bytes } = piece;
        let of_tensor = |partial: &Partial| (partial.component, partial.tensor) == (component, tensor);
        let index = match self.0.iter().position(of_tensor) {
            Some(index) => index,
            None => {
                self.0.push(Partial { component, tensor, stored: zeros(info)?, received: 0 });
                self.0.len() - 1
            }
        };
        let Partial { stored, received, .. } = &mut self.0[index];
        stored[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        *received += bytes.len();
        if *received < stored.len() {
            return Ok(None);
        }
        Ok(Some(to_int8(info, &self.0.swap_remove(index).stored)))
    }
}

/// Whether [`Rounding`] has anything to do with a tensor.
pub(super) fn is_rounded(info: &TensorInfo) -> bool {
    matches!(info.dtype, DType::F32 | DType::F16) && is_large(&info.shape, info.elements().unwrap_or(0))
}

/// Memory for a stored form.
fn zeros(info: &TensorInfo) -> Result<Vec<u8>> {
    let bytes = info.stored_bytes().unwrap_or(u64::MAX);
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut stored = Vec::new();
    if stored.try_reserve_exact(size).is_err() {
        return Err(Error::OutOfMemory {
            message: format!("tensor {} takes {bytes} bytes of the host", info.name),
        });
    }
    stored.resize(size, 0);
    Ok(stored)
}
