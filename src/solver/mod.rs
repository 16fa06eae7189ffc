//! Few-step samplers: schedules, and one method a file.
