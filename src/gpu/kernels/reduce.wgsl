// The sum of one value a thread over a line of LANES threads, known to all of them, for the LINES lines, one or four, of a workgroup of
// 64: sums of a part of the lanes each, then one of the parts. Two barriers instead of a tree's six; between two calls none is needed.

const LANES = 64u / LINES;
const PARTS = 8u / (1u + LINES / 4u);
const PART = LANES / PARTS;

var<workgroup> lanes: array<f32, LANES * LINES>;
var<workgroup> parts: array<f32, PARTS * LINES>;

fn sum_over_line(local: vec2<u32>, value: f32) -> f32 {
    lanes[local.y * LANES + local.x] = value;
    workgroupBarrier();
    if (local.x < PARTS) {
        var sum = 0.0;
        for (var i = 0u; i < PART; i++) {
            sum += lanes[local.y * LANES + local.x * PART + i];
        }
        parts[local.y * PARTS + local.x] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < PARTS; i++) {
        total += parts[local.y * PARTS + i];
    }
    return total;
}
