// What a thread of a normalisation takes at once: four channels or two where they come in fours or in pairs, else one.

#if FOURS
alias Unit = vec4<f32>;
const UNIT = 4u;

fn sum_of(unit: Unit) -> f32 { return dot(unit, vec4(1.0)); }
fn activated(code: u32, unit: Unit) -> Unit { return activate(code, unit); }
#endif
#if PAIRS
alias Unit = vec2<f32>;
const UNIT = 2u;

fn sum_of(unit: Unit) -> f32 { return unit.x + unit.y; }
fn activated(code: u32, unit: Unit) -> Unit { return activate(code, unit.xyxy).xy; }
#endif
#if SINGLES
alias Unit = f32;
const UNIT = 1u;

fn sum_of(unit: Unit) -> f32 { return unit; }
fn activated(code: u32, unit: Unit) -> Unit { return activate(code, vec4(unit)).x; }
#endif
