// Elements of a parameter as shards store them (src/weights/storage.rs): f32, or two f16, four int8 or eight int4 a word.

@group(0) @binding(1) var<storage, read_write> stored: array<u32>;

// The bits of element i, in the low end of the word.
fn bits_at(i: u32) -> u32 {
#if F32
    return stored[i];
#endif
#if F16
    return (stored[i / 2u] >> (16u * (i % 2u))) & 0xffffu;
#endif
#if INT8
    return (stored[i / 4u] >> (8u * (i % 4u))) & 0xffu;
#endif
#if INT4
    return (stored[i / 8u] >> (4u * (i % 8u))) & 0xfu;
#endif
}

// The value of element i, before an int8 row's scale or an int4 group's.
fn value_at(i: u32) -> f32 {
#if F32
    return bitcast<f32>(stored[i]);
#endif
#if F16
    return unpack2x16float(bits_at(i)).x;
#endif
#if INT8
    return f32(i32(bits_at(i) << 24u) >> 24u);
#endif
#if INT4
    return f32(i32(bits_at(i) << 28u) >> 28u);
#endif
}
#if INT4
// Scale i: f16, of which a word has two.
fn half_of(word: u32, i: u32) -> f32 {
    return unpack2x16float(word >> (16u * (i % 2u))).x;
}
#endif
