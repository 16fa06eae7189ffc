//! Graphs on Burn tensors.
