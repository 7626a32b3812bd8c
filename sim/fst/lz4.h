// Stands in for the LZ4 library in Verilator's FST writer, so that waves need no system package.
// A block is one sequence of literals: a token, its length in steps of 255, the bytes themselves
// (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md). Every FST reader expands it.
#pragma once

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char *source, char *target, int size, int capacity) {
    if (capacity < LZ4_compressBound(size)) return 0;
    char *out = target;
    if (size < 15) {
        *out++ = static_cast<char>(size << 4);
    } else {
        *out++ = static_cast<char>(0xF0);
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *out++ = static_cast<char>(0xFF);
        *out++ = static_cast<char>(rest);
    }
    std::memcpy(out, source, size);
    return static_cast<int>(out - target) + size;
}
