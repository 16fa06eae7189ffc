//! A network's parameters as they are stored: one after the other, in the order of a list.

use tenstep::weights::TensorInfo;

/// A list of parameters as a manifest has it.
pub fn tensors(json: &str) -> Result<Vec<TensorInfo>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// The stored form of each of `tensors`.
pub fn stored_forms<'a>(tensors: &[TensorInfo], stored: &'a [u8]) -> Result<Vec<&'a [u8]>, String> {
    let mut rest = stored;
    let forms = tensors.iter().map(|tensor| {
        let length = tensor.stored_bytes().and_then(|bytes| usize::try_from(bytes).ok());
        let (form, after) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| format!("the stored forms end before {}", tensor.name))?;
        rest = after;
        Ok(form)
    });
    forms.collect()
}
