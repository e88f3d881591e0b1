//===- Differential.h - compiled code against its meaning -------*- C++ -*-===//
//
// Sends a program through the real pipelines, down to a shared object that is
// loaded and called through the runtime's ABI, and compares what it computes
// with what the interpreter says.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_TEST_UNIT_COMPILER_DIFFERENTIAL_H
#define HYBRID_TEST_UNIT_COMPILER_DIFFERENTIAL_H

#include "ModuleText.h"

namespace hybrid::test {

/// The vector widths, in bits, that kernels can be written with and this
/// machine can run.
const std::vector<unsigned> &getVectorWidths();
/// One of them, by `seed`.
unsigned getVectorWidth(uint64_t seed);

/// Compiles `text` once for vectors of `vectorBits` and calls it with each of
/// `runs`, whose largest values become the capacities. Inputs, and the
/// states of the first run and whenever the batch changes, are random by
/// `seed`; otherwise a call finds the states that the one before left.
/// Checks, beside results and states:
///   * bytes around all buffers keep their values, inputs and weights theirs;
///   * what buffers hold before (NaN) does not matter;
///   * blocks may run in any order: it is random;
///   * the shapes function gives the shapes of inputs and results;
///   * the code needs nothing but libc and libm.
/// Where a check fails and the environment variable HYBRID_DIFFERENTIAL_DUMP
/// names a file, the program is written to it.
void checkCompiled(const ModuleText &text, const std::vector<Sizes> &runs,
                   unsigned vectorBits, uint64_t seed);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_DIFFERENTIAL_H
