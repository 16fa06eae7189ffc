// y[b, i, j, o] = Σ_{t, c} x[b, i·stride + ky − top, j·stride + kx − left, c] · w[t, c, o], then epilogue.wgsl
// x [B, H, W, C]    w [taps, C, O] as in weight.wgsl, tap t = ky · kernel_width + kx    y [B, H', W', O] = [M, O]
// A thread makes a part of y by outer products: 4·FOURS rows of M by UNITS_EACH units of four outputs, 8 x 8 or 4 x 4. For 64 multiply-adds
// that reads 4 vectors of workgroup memory, or 8. A workgroup makes a tile of COLUMNS by LINES such parts, a slab of K at a time, as long as
// lets each thread load four vectors of x. Of several groups of threads each takes its share of a slab; the sums meet at the end. Small
// parts and groups are for products with so few tiles that threads are what lacks: what takes the time there is how much a thread has to
// do one after the other. LINES is a power of two, COLUMNS even. On a GPU the turns of a slab are written out, as places in the tiles are then
// constants.
// Without MANY_THREADS a thread reads weights where they lie: for processors in disguise, to which workgroup memory is memory like any.
// Sums have names, as an array that a variable indexes need not lie in registers.
// Rows from first_row to end_row; the binding of x begins at pixel first_pixel. Sums of f32 in f32; int8 scales are applied to the sum,
// those of int4 to each weight.
// While a slab is computed the next one is on its way from memory, in registers: there are too few threads for others to fill the wait.
// No row or weight has a condition of its own, after which a thread might wait for it: what is not there is a load of something else. What
// was loaded is unpacked and masked when the products of the slab before are done, since that would wait for it.
// IN_F16, which needs MANY_THREADS: factors are rounded to f16, and the products of a slab, at most 16 a sum, are added up in f16; the sums of
// slabs in f32: half of the workgroup memory, and two products at a time where a device has them. To add sums of f16 to those of f32 takes an
// eighth of what is left to do. Integers of 8 bits come as 128ths, so that no sum of 16 is too large for f16 while x is below 4,000.
// IN_INT8, which needs MANY_THREADS and weights of int8: x is rounded to 8 bits, each row by a scale of its own in each slab, the
// largest of its inputs there, and four inputs at a time are multiplied by integer dot products, which are exact. A slab's integers are
// scaled and added up in f32. That takes a barrier more a slab, as several threads load a row. Weights are turned round on their way,
// four inputs of an output to a word.
// PARTS: group.z says which part of K, for long sums in few tiles: y [parts, M, O], which sum_parts.wgsl adds up and finishes, or
// SCALED a norm.
// Implicit GEMM: Chetlur et al. 2014, arXiv:1410.0759, section 3. Twin: conv2d.rs.
// WINOGRAD: as conv2d_source.wgsl says. Files: that, which reads x, and conv2d_tiles.wgsl, which has it in workgroup memory.

struct Params {
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    outputs: u32,
    kernel_width: u32,
    taps: u32,
    stride: u32,
    top: u32,
    left: u32,
    end_row: u32,
    first_output: u32,
    units: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
    first_row: u32,
    first_pixel: u32,
    doubled: u32,
    // TWO_SOURCES: units of four channels of x; those of x2 follow them.
    x_units: u32,
    // PARTS: how much of K each takes.
    part: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// A term of params.terms beside the epilogue's.
const SCALED = 8u;

@compute @workgroup_size(COLUMNS, LINES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let thread = (local.z * LINES + local.y) * COLUMNS + local.x;
    let channel_units = (params.channels + 3u) / 4u;
#if WINOGRAD
    let depth = 4u * channel_units;
    let first_weight = group.z * depth * params.units;
#endif
#if TAPS
    let depth = 4u * params.taps * channel_units;
    let first_weight = 0u;
#endif
#if PARTS
    let first_slab = group.z * params.part;
    let end_slab = min(depth, first_slab + params.part);
#else
    let first_slab = 0u;
    let end_slab = depth;
#endif

    // What this thread loads of every slab of x: one unit of four rows. The unit is a (tap, channel unit) that advances.
    let load_four = thread / SLAB_UNITS;
    let load_unit = thread % SLAB_UNITS;
    let tile = params.first_row + group.y * 4u * FOURS * LINES;
    let load_row = tile + 4u * load_four;
    var channel_unit = first_slab / 4u + load_unit;
    var tap = Tap();
#if TAPS
    let first_tap = channel_unit / channel_units;
    tap = Tap(first_tap / params.kernel_width, first_tap % params.kernel_width);
    channel_unit %= channel_units;
#endif
#for r 4
    let window$r = window(load_row + $ru);
    var seen$r = seen_by(window$r, tap, channel_units, group.z);
#end

    let units = params.units;
    let first_unit = group.x * TILE_UNITS;
#if MANY_THREADS
    // And of weights: a unit of WEIGHTS_EACH inputs. Past the last input x is 0, and past the last output nothing is stored.
    let to_unit = thread % TILE_UNITS;
    let to_k = thread / TILE_UNITS % 4u;
    let weight_unit = first_weight + min(first_unit + to_unit, units - 1u);
    let last_weight = weight_unit + (depth - 1u) * units;
#if IN_INT8
    var weight = weight_unit + (first_slab + thread / TILE_UNITS * 4u) * units;
#else
    var weight = weight_unit + (first_slab + thread / TILE_UNITS) * units;
#endif
#else
    var weight = first_weight + first_slab * units + first_unit + local.x;
#if INT4
    var channel = 0u;
#endif
#endif
#for v UNITS_EACH
#for h FOURS
#for r 4
    var sum$v_$h_$r = vec4(0.0);
#end
#end
#end

    // Where the loaded of x goes.
    let to_group = load_unit / SHARE_UNITS;
    let to_x = load_unit % SHARE_UNITS;
    let to_line = (load_four / FOURS) ^ (to_x % TURNS);
    let half = load_four % FOURS;
#if MANY_THREADS
    for (var slab = first_slab; ; slab += SLAB) {
        // Under a condition, so that no compiler puts the loads off until what they load is wanted.
#for r 4
        var row$r = vec4(0.0);
#end
#if IN_INT8
#for i WORDS_EACH
        var stored$i = vec4(0u);
#end
#else
#for i WEIGHTS_EACH
        var stored$i = Stored();
#end
#endif
        if (slab < end_slab) {
#for r 4
            row$r = x_of(seen$r, channel_units, channel_unit);
#end
#if IN_INT8
#for i WORDS_EACH
#for j 4
            stored$i[$j] = weights[min(weight + (4u * $iu * WEIGHT_STEP + $ju) * units, last_weight)];
#end
#end
#else
#for i WEIGHTS_EACH
#if INT4
            let past$i = min(slab + thread / TILE_UNITS + $iu * WEIGHT_STEP, depth - 1u);
            stored$i = stored_at(weight_unit + past$i * units, past$i % (4u * channel_units) / GROUP_CHANNELS * units + weight_unit);
#else
            stored$i = weights[min(weight + $iu * WEIGHT_STEP * units, last_weight)];
#endif
#end
#endif
            weight += SLAB * units;
        }

        // The slab before.
        if (slab > first_slab) {
#else
    for (var slab = first_slab; slab < end_slab; slab += SLAB) {
#for r 4
        let row$r = masked(seen$r, x_of(seen$r, channel_units, channel_unit));
#end
        keep_rows(vec4(to_group, to_x, to_line, half), row0, row1, row2, row3);
        workgroupBarrier();
        {
#endif
#if NARROWED
            // One unit after the other, so that only half of the slab's own sums need registers.
#for v UNITS_EACH
            {
#if IN_INT8
#for h FOURS
#for r 4
                var own$h_$r = vec4(0i);
#end
#end
#for w WORDS
                {
                    let rows = &x_tile[local.z][$w][local.y];
                    let four = w_tile[local.z][$w][$v][local.x];
#for h FOURS
#for r 4
                    own$h_$r += dots((*rows)[$h][$r], four);
#end
#end
                }
#end
                let scales = &x_scales[local.y];
#for h FOURS
#for r 4
                sum$v_$h_$r += (*scales)[$h][$r] * vec4<f32>(own$h_$r);
#end
#end
#else
#for s SHORT_SUMS
                {
#for h FOURS
#for r 4
                    var own$h_$r = Four();
#end
#end
#for t SHORT_UNITS
                    {
                        let line = local.y ^ (($su * SHORT_UNITS + $tu) % TURNS);
#for k 4
                        {
                            let rows = &x_tile[local.z][$su * SHORT_UNITS + $tu][$k][line];
                            let four = w_tile[local.z][$su * SHORT_UNITS + $tu][$k][$v][local.x];
#for h FOURS
#for r 4
                            own$h_$r = fma(Four((*rows)[$h][$r]), four, own$h_$r);
#end
#end
                        }
#end
                    }
#end
#for h FOURS
#for r 4
                    sum$v_$h_$r += vec4<f32>(own$h_$r);
#end
#end
                }
#end
#endif
            }
#end
#else
#for t UNITS_UNROLLED
#for k UNROLLED
#if MANY_THREADS
            {
                let rows = &x_tile[local.z][$t][$k][local.y ^ ($tu % TURNS)];
#else
            for (var k = 0u; k < SHARE; k++) {
                let rows = &x_tile[0][k / 4u][k % 4u][local.y];
#endif
#for h FOURS
                let rows$h = (*rows)[$h];
#end
#for v UNITS_EACH
#if MANY_THREADS
                let four$v = w_tile[local.z][$t][$k][$v][local.x];
#else
#if INT4
                let scale$v = channel / GROUP_CHANNELS * units + first_unit + $vu * COLUMNS + local.x;
                let four$v = weight_of(stored_at(weight + $vu * COLUMNS, scale$v));
#else
                let four$v = weight_of(weights[weight + $vu * COLUMNS]);
#endif
#endif
#end
#if MANY_THREADS
#else
                weight += units;
#if INT4
                channel = select(channel + 1u, 0u, channel + 1u == 4u * channel_units);
#endif
#endif
#for v UNITS_EACH
#for h FOURS
#for r 4
                sum$v_$h_$r = fma(Four(rows$h[$r]), four$v, sum$v_$h_$r);
#end
#end
#end
            }
#end
#end
#endif
        }
#if MANY_THREADS
        if (slab >= end_slab) {
            break;
        }
        workgroupBarrier();

        // Only now are the loads waited for.
#if IN_INT8
#for r 4
        let row$r_seen = masked(seen$r, row$r);
#end
        let mine = load_unit * FOURS * LINES + load_four;
        largest[mine] = vec4(largest_of(row0_seen), largest_of(row1_seen), largest_of(row2_seen), largest_of(row3_seen));
#for i WORDS_EACH
        let word$i = thread / TILE_UNITS + $iu * WEIGHT_STEP;
        if (word$i < SLAB_WORDS) {
            w_tile[word$i / WORDS][word$i % WORDS][to_unit / COLUMNS][to_unit % COLUMNS] = turned(stored$i);
        }
#end
        workgroupBarrier();
        var most = largest[load_four];
        for (var word = 1u; word < SLAB_WORDS; word++) {
            most = max(most, largest[word * FOURS * LINES + load_four]);
        }
        // Rows of zeros have no scale.
        let steps = select(vec4(0.0), 127.0 / most, most > vec4(0.0));
        x_tile[to_group][to_x][load_four / FOURS][half] = vec4(
#for r 4
            pack4xI8(vec4<i32>(round(row$r_seen * steps[$r]))),
#end
        );
        if (load_unit == 0u) {
            x_scales[load_four / FOURS][half] = most / 127.0;
        }
#else
        keep_rows(vec4(to_group, to_x, to_line, half), masked(seen0, row0), masked(seen1, row1), masked(seen2, row2), masked(seen3, row3));
#for i WEIGHTS_EACH
        if (THREADS * $iu + THREADS <= SLAB * TILE_UNITS || thread + $iu * THREADS < SLAB * TILE_UNITS) {
            let to_w = thread / TILE_UNITS / 4u + $iu * (WEIGHT_STEP / 4u);
#if IN_F16
            let weight_kept = factors_of(stored$i);
#else
            let weight_kept = weight_of(stored$i);
#endif
            w_tile[to_w / SHARE_UNITS][to_w % SHARE_UNITS][to_k][to_unit / COLUMNS][to_unit % COLUMNS] = weight_kept;
        }
#end
#endif
#endif
        workgroupBarrier();

        channel_unit += SLAB_UNITS;
#if TAPS
        if (channel_unit >= channel_units) {
            while (channel_unit >= channel_units) {
                channel_unit -= channel_units;
                tap = next_tap(tap);
            }
#for r 4
            seen$r = seen_by(window$r, tap, channel_units, group.z);
#end
        }
#endif
    }

#if IN_F16
#for v UNITS_EACH
#for h FOURS
#for r 4
    sum$v_$h_$r *= FACTOR;
#end
#end
#end
#endif
#if ONE_GROUP
#else
    // The first group adds up.
#if NARROWED
#else
    workgroupBarrier();
#endif
    let place = local.y * COLUMNS + local.x;
    if (local.z > 0u) {
        let to = (local.z - 1u) * GROUP_SUMS + place;
#for v UNITS_EACH
#for h FOURS
#for r 4
        give(to + (($vu * FOURS + $hu) * 4u + $ru) * COLUMNS * LINES, sum$v_$h_$r);
#end
#end
#end
    }
    workgroupBarrier();
    if (local.z > 0u) {
        return;
    }
    for (var other = place; other < GIVEN; other += GROUP_SUMS) {
#for v UNITS_EACH
#for h FOURS
#for r 4
        sum$v_$h_$r += given_at(other + (($vu * FOURS + $hu) * 4u + $ru) * COLUMNS * LINES);
#end
#end
#end
    }
#endif
    let unit = first_unit + local.x;
    let first_row = tile + 4u * FOURS * local.y;
#for v UNITS_EACH
    finish_rows(first_row, group.z, unit + $vu * COLUMNS, array(
#for h FOURS
#for r 4
        sum$v_$h_$r,
#end
#end
    ));
#end
}

fn finish_rows(first_row: u32, layer: u32, unit: u32, sums: array<vec4<f32>, 4u * FOURS>) {
    if (unit >= params.units) {
        return;
    }
    var left = sums;
#if RAW
    let rows = params.end_row - params.first_row;
    let to = (layer * rows + first_row - params.first_row) * params.units + unit;
    let scale = select(vec4(1.0), scales_at(4u * unit), (params.terms & SCALED) != 0u);
#else
    let column = column_of(unit);
#endif
    for (var r = 0u; r < 4u * FOURS; r++) {
        if (first_row + r < params.end_row) {
#if RAW
            y[to + r * params.units] = scale * left[r];
#else
            finish(first_row + r, unit, column, left[r]);
#endif
        }
    }
}
