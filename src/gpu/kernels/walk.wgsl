// A line of lanes on its way through the units of a group, pixel by pixel: lane i takes units i, i + LANES, … as (pixel, channel within
// the group). It advances without a division. Loops take UNROLLED of them at a time, so that their loads are under way together.

fn start(lane: u32, width: u32) -> vec2<u32> {
    return vec2(lane / width, lane % width);
}

fn next(at: vec2<u32>, width: u32) -> vec2<u32> {
    let channel = at.y + LANES % width;
    let wraps = channel >= width;
    return vec2(at.x + LANES / width + select(0u, 1u, wraps), select(channel, channel - width, wraps));
}
