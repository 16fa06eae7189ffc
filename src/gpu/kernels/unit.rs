//! What a thread of a normalisation takes at once; see unit.wgsl.

/// So many channels side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Four,
    Pair,
    Single,
}

impl Unit {
    /// The longest into which runs of channels of all these lengths can be cut.
    pub fn of<const N: usize>(runs: [usize; N]) -> Self {
        let all = |length: usize| runs.iter().all(|run| run.is_multiple_of(length));
        match () {
            () if all(4) => Self::Four,
            () if all(2) => Self::Pair,
            () => Self::Single,
        }
    }

    pub fn channels(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Pair => 2,
            Self::Single => 1,
        }
    }

    pub fn switch(self) -> &'static str {
        match self {
            Self::Four => "FOURS",
            Self::Pair => "PAIRS",
            Self::Single => "SINGLES",
        }
    }
}
