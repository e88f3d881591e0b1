//===- Npz.h - reading and writing npz files --------------------*- C++ -*-===//
//
// Archives of named arrays as numpy writes them: a zip file of npy files,
// stored or deflated. For tools; the runtime library does not need it.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_RUNTIME_NPZ_H
#define HYBRID_RUNTIME_NPZ_H

#include "hybrid/Runtime/Runtime.h"

#include <string>
#include <vector>

namespace hybrid {

/// An array in row-major order. npy knows no bfloat16; by convention it is
/// stored as float32.
struct NpyArray {
  std::string name;
  HybridDtype dtype = HYBRID_FLOAT32;
  std::vector<int64_t> dims;
  std::string data; ///< the bytes
};

/// An array to write; nothing is owned.
struct NpyView {
  std::string name;
  HybridDtype dtype; ///< not bfloat16
  std::vector<int64_t> dims;
  const void *data;
};

/// Reads all arrays. Arrays in Fortran order are transposed, big-endian ones,
/// objects, strings and records are refused. Whatever the file holds, memory
/// stays in proportion to it (deflate expands by a factor of about 1,000 at
/// most). Returns an empty string, or what is wrong.
std::string readNpz(const std::string &path, std::vector<NpyArray> &arrays);

/// Reads one npy file from memory into `array` (the name is left alone).
std::string parseNpy(const void *data, size_t bytes, NpyArray &array);

/// Writes the arrays, stored, through a temporary file that is renamed.
/// Returns an empty string, or what went wrong (no file is left then).
std::string writeNpz(const std::string &path,
                     const std::vector<NpyView> &arrays);

} // namespace hybrid

#endif // HYBRID_RUNTIME_NPZ_H
