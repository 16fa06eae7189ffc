//! Prompt to input_ids.
